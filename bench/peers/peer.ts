/**
 * A peer's process, from the comparison's side: started, asked for slices, ended. One that cannot start is missing, with
 * its reason; it is never estimated.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import type { Slice } from "../microbenchmarks/workload.ts";

/** A peer's first answer. A workload that does nothing, an installation under way: then it is missing. */
const START_MS = 120_000;
const SLICE_MS_MAX = 180_000;
const WORDS_KEPT = 2_000;

export interface PeerCommand {
  /** In the tables: "mobula", "Ray 2.58.0". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export class Peer {
  readonly name: string;
  /** Workloads that it has. */
  readonly workloads: ReadonlySet<string>;
  /** What else it said when it was ready: versions, the time to its first result. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    name: string,
    child: ChildProcess,
    lines: AsyncIterator<string>,
    hello: Record<string, unknown>,
  ) {
    this.name = name;
    this.#child = child;
    this.#lines = lines;
    this.facts = hello;
    this.workloads = new Set(hello["ready"] as string[]);
  }

  /** @throws {Error} with what it said, when it does not come up. */
  static async start({ name, command, args }: PeerCommand): Promise<Peer> {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    let words = "";
    child.stderr!.on("data", (chunk: Uint8Array) => {
      words = (words + String(chunk)).slice(-WORDS_KEPT);
    });
    const reader: Interface = createInterface({ input: child.stdout! });
    const lines = reader[Symbol.asyncIterator]();
    const failed = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once(
        "exit",
        (code) => reject(new Error(`ended with ${code}: ${words.trim().split("\n").at(-1)}`)),
      );
    });
    failed.catch(() => undefined);
    try {
      const hello = await within(START_MS, Promise.race([lines.next(), failed]), `${name} did not start`);
      if (hello.done === true) throw await failed;
      return new Peer(name, child, lines, JSON.parse(hello.value));
    } catch (error) {
      kill(child);
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** One slice of a workload, at least `ms` long. */
  async slice(run: string, ms: number): Promise<Slice> {
    this.#child.stdin!.write(`${JSON.stringify({ run, ms })}\n`);
    const answer = await within(
      SLICE_MS_MAX,
      this.#lines.next(),
      `${this.name}: ${run} takes longer than ${SLICE_MS_MAX} ms`,
    );
    if (answer.done === true) throw new Error(`${this.name} ended during ${run}`);
    const told = JSON.parse(answer.value) as Slice & { error?: string };
    if (told.error !== undefined) throw new Error(told.error);
    return told;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin!.end();
    await within(30_000, ended, "").catch(() => kill(this.#child));
  }
}

/** With all that it started, where it leads a group of its own. */
function kill(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function within<T>(ms: number, promise: Promise<T>, message: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
