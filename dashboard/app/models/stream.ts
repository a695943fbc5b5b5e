/**
 * The page's only connection: one fetch stream of NDJSON frames, opened again when it ends. States, as the header shows them:
 *
 *     connecting --frame--> live --end, error or silence--> reconnecting --15 s--> lost
 *                             ^----------------frame-------------'<------------------'
 *     a report in a file has no connection: report
 *     any --401--> signedOut          live --tab hidden for 60 s--> paused --tab shown--> reconnecting
 *
 * Every (re)connect begins with snapshots, so nothing has to be remembered across them. What the stream brings is what the
 * page needs (subscriptions.ts): when that grows, it is opened again with it; what is not needed any more is left out a
 * little later.
 * @module
 */
import { effect, type Signal, signal } from "@preact/signals";
import type { StreamFrame } from "../../api_types.ts";
import { applyFrames } from "./cluster.ts";
import { allNeeds, needsVersion, streamQuery } from "./subscriptions.ts";

export type ConnectionState =
  | "connecting"
  | "live"
  | "reconnecting"
  | "lost"
  | "paused"
  | "signedOut"
  | "report";

/** The server's heartbeat comes every 5 s; two that are missed end the connection. */
const SILENCE_MS = 11_000;
const LOST_AFTER_MS = 15_000;
const PAUSE_HIDDEN_MS = 60_000;
const RETRY_MS = [250, 500, 1_000, 2_000];
/** A line longer than this is no frame of ours. */
const LINE_LENGTH_MAX = 16 * 1024 * 1024;

export const connection: Signal<ConnectionState> = signal("connecting");
/** When the last frame came (our clock), for "as of". */
export const lastFrameMs: Signal<number> = signal(0);
/** Why the last try failed, for people. */
export const problem: Signal<string> = signal("");

/** A page mounts several panels at once: one reopening for all. */
const GATHER_MS = 20;
/** What is no longer needed goes on for so long: who goes back finds it. */
const SHED_MS = 5_000;

let abort: AbortController | null = null;
let paused = false;
/** What the open stream brings. */
let brings: ReadonlySet<string> = new Set();
/** The stream is ended by us, to be opened again with other needs. */
let reopening = false;

/** Connect, and stay connected as long as the page lives. */
export async function run(): Promise<void> {
  watchVisibility();
  watchNeeds();
  // The first page's panels have said what they need.
  await delay(0);
  let failures = 0;
  let brokenMs = 0;
  for (;;) {
    if (paused) {
      connection.value = "paused";
      await shown();
      connection.value = "reconnecting";
    }
    const hadFrames = await connectOnce();
    if (connection.value === "signedOut") return;
    if (hadFrames) failures = 0;
    if (paused || reopening) continue;
    if (hadFrames || brokenMs === 0) brokenMs = Date.now();
    connection.value = Date.now() - brokenMs > LOST_AFTER_MS ? "lost" : "reconnecting";
    await delay(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!);
  }
}

/** One connection from its opening to its end; whether any frame came. */
async function connectOnce(): Promise<boolean> {
  const controller = new AbortController();
  abort = controller;
  reopening = false;
  const needs = allNeeds();
  brings = new Set(needs);
  let timer = setTimeout(() => controller.abort(), SILENCE_MS);
  let frames = 0;
  try {
    const response = await fetch(`./api/v1/stream?${streamQuery(needs)}`, {
      signal: controller.signal,
      cache: "no-store",
    });
    if (response.status === 401) {
      connection.value = "signedOut";
      return false;
    }
    if (!response.ok || response.body === null) throw new Error(`the head answers ${response.status}`);
    await readLines(response.body, (lines) => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), SILENCE_MS);
      frames += lines.length;
      lastFrameMs.value = Date.now();
      connection.value = "live";
      problem.value = "";
      applyFrames(lines.map((line) => JSON.parse(line) as StreamFrame));
    });
  } catch (error) {
    if (!reopening) problem.value = controller.signal.aborted ? "no answer" : (error as Error).message;
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
  return frames > 0;
}

/** Whole lines of each chunk at once. */
async function readLines(body: ReadableStream<Uint8Array>, take: (lines: string[]) => void): Promise<void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = parts.pop()!;
    if (rest.length > LINE_LENGTH_MAX) throw new Error("a frame is too long");
    if (parts.length > 0) take(parts);
  }
}

/** Open the stream anew when more is needed than it brings, soon; when less, later. */
function watchNeeds(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    needsVersion.value;
    clearTimeout(timer);
    const needs = allNeeds();
    const isMore = needs.some((key) => !brings.has(key));
    if (!isMore && needs.length === brings.size) return;
    timer = setTimeout(() => {
      reopening = true;
      abort?.abort();
    }, isMore ? GATHER_MS : SHED_MS);
  });
}

/** A tab that nobody sees for a minute needs no stream (browsers open only six connections to one host). */
function watchVisibility(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) {
      paused = false;
      return;
    }
    timer = setTimeout(() => {
      paused = true;
      abort?.abort();
    }, PAUSE_HIDDEN_MS);
  });
}

function shown(): Promise<void> {
  return new Promise((resolve) => {
    if (!document.hidden) return resolve();
    const listener = (): void => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", listener);
      resolve();
    };
    document.addEventListener("visibilitychange", listener);
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
