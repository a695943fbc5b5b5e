/**
 * Follows a submitted job: its output as it comes, byte for byte, until it has ended. A head that restarts meanwhile is
 * waited for; the program goes on.
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { FINAL_STATES, type SubmissionRow } from "../common/submission.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import { connectHead, type Destination, type HeadClient } from "./head_client.ts";
import { UnreachableError } from "./unreachable_error.ts";
import { UsageError } from "./usage.ts";

/** One request waits for this long at the head. */
const WAIT_MS = 10_000;
const ANSWER_MS = 15_000;
/** A head that is away this long is given up. */
const AWAY_MS = 60_000;
const RETRY_MS = 200;
/** After the end of a job whose node does not answer, its output is asked for so often. */
const GONE_TRIES = 15;

export type OutputSink = (stream: "stdout" | "stderr", bytes: Uint8Array) => Promise<void>;

/** A head that is connected again when the connection breaks. */
export class PatientHead {
  readonly #destination: Destination;
  #head: HeadClient | null;

  constructor(destination: Destination, head: HeadClient) {
    this.#destination = destination;
    this.#head = head;
  }

  /** Ask; again after a reconnect. UnreachableError when the head stays away. */
  async request<M extends keyof HeadMethods>(
    method: M,
    params: HeadMethods[M]["params"],
    timeoutMs: number = ANSWER_MS,
  ): Promise<{ result: HeadMethods[M]["result"]; sections: readonly Uint8Array[] }> {
    const giveUpMs = performance.now() + AWAY_MS;
    for (;;) {
      try {
        this.#head ??= await connectHead(this.#destination);
        return await this.#head.request(method, params, [], timeoutMs);
      } catch (error) {
        const broke = error instanceof UnreachableError || this.#head?.isOpen === false;
        if (!broke) throw error;
        this.#head?.close();
        this.#head = null;
        if (performance.now() > giveUpMs) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  close(): void {
    this.#head?.close();
    this.#head = null;
  }
}

/** Passes all output from the beginning on to `sink`; resolves when the job has ended. */
export async function followJob(
  head: PatientHead,
  submissionId: string,
  sink: OutputSink,
  signal?: AbortSignal,
): Promise<SubmissionRow> {
  await readOutput(head, submissionId, sink, true, signal);
  return await jobEnd(head, submissionId, signal);
}

/** What it has printed so far, and with `follow` what it will print. */
export async function readOutput(
  head: PatientHead,
  submissionId: string,
  sink: OutputSink,
  follow: boolean,
  signal?: AbortSignal,
): Promise<void> {
  let place = { out: 0, err: 0 };
  let tries = 0;
  for (;;) {
    const waitMs = follow ? WAIT_MS : 0;
    const params = { submissionId, ...place, waitMs };
    const answer = await head.request("submissionOutput", params, WAIT_MS + ANSWER_MS).catch(outputGone);
    signal?.throwIfAborted();
    if (answer instanceof Error) {
      if (!follow) throw answer;
      const { result: { row } } = await head.request("submission", { submissionId, waitMs: 0 });
      if (row !== null && !FINAL_STATES.has(row.state)) tries = 0;
      else if (++tries > GONE_TRIES) {
        process.stderr.write(`mobula: the rest of its output is lost: ${answer.message}\n`);
        return;
      }
      await delay(RETRY_MS);
      continue;
    }
    const { result, sections } = answer;
    if (result.dropped > 0) {
      process.stderr.write(`mobula: ${result.dropped} bytes of older output are not kept any more\n`);
    }
    const [out, err] = sections;
    if (out !== undefined && out.length > 0) await sink("stdout", out);
    if (err !== undefined && err.length > 0) await sink("stderr", err);
    const hasMore = result.out > place.out || result.err > place.err;
    place = { out: result.out, err: result.err };
    if (result.isOver || (!follow && !hasMore)) return;
  }
}

/** The node that has the output is away; it may come back with it. Throws what is anything else. */
function outputGone(error: Error & { code?: string }): Error {
  if (error.code === "OutputGone") return error;
  throw error;
}

/** Resolves with the row when it has ended. */
export async function jobEnd(
  head: PatientHead,
  submissionId: string,
  signal?: AbortSignal,
): Promise<SubmissionRow> {
  for (;;) {
    const { result: { row } } = await head.request(
      "submission",
      { submissionId, waitMs: WAIT_MS },
      WAIT_MS + ANSWER_MS,
    );
    signal?.throwIfAborted();
    if (row === null) throw new UsageError(`job ${submissionId} is not known any more`);
    if (FINAL_STATES.has(row.state)) return row;
  }
}

/** The one job whose id is or begins with this; UsageError when there is none, or several. */
export async function findJob(head: Pick<HeadClient, "ask">, prefix: string): Promise<SubmissionRow> {
  const { row } = await head.ask("submission", { submissionId: prefix, waitMs: 0 });
  if (row !== null) return row;
  const { rows } = await head.ask("submissions", {});
  const found = rows.filter(({ submissionId }) => submissionId.startsWith(prefix));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) {
    throw new UsageError(
      `there is no submitted job ${JSON.stringify(prefix)}; \`mobula job list\` lists them`,
    );
  }
  const shown = found.slice(0, 10).map(({ submissionId, state }) => `${submissionId} (${state})`).join(", ");
  const more = found.length > 10 ? `, and ${found.length - 10} more` : "";
  throw new UsageError(`${JSON.stringify(prefix)} begins several jobs' ids: ${shown}${more}`);
}

/** Resolves when the stream takes more. */
export async function writeTo(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  if (stream.write(bytes)) return;
  await new Promise<void>((resolve) => {
    stream.once("drain", resolve);
    stream.once("close", resolve);
  });
}
