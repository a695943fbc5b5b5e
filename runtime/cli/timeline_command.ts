/**
 * `mobula timeline -o FILE`: what ran where and when in a job, as a trace that Perfetto (ui.perfetto.dev) and Chrome read. It
 * comes page by page and goes to the file as it comes.
 * @module
 */
import { open, rename, rm } from "node:fs/promises";
import { byteText } from "../common/byte_text.ts";
import type { TraceEvent } from "../../dashboard/api/timeline.ts";
import { type HeadClient, withHead } from "./head_client.ts";
import { drained, print, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

interface TracePage {
  readonly traceEvents: readonly TraceEvent[];
  readonly next: string | null;
}

type Write = (text: string) => Promise<void>;

/** A page of a large job takes the head a while. */
const PAGE_TIMEOUT_MS = 60_000;

export const timelineCommand: CommandDefinition = {
  name: "timeline",
  summary: "a job's timeline as a trace for Perfetto",
  flags: {
    ...COMMON_FLAGS,
    output: {
      type: "string",
      short: "o",
      value: "FILE",
      help: "where it goes; - is stdout; default JOB.trace.json",
    },
    job: { type: "string", value: "JOB", help: "which job, or a submitted job; default: the newest" },
  },
  examples: [
    ["mobula timeline -o trace.json", "open it in ui.perfetto.dev, or in Chrome under chrome://tracing"],
    ["mobula timeline --job j-1f3a… -o - | gzip > trace.json.gz", "of one job, packed"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  return await withHead(flags, async (head) => {
    const job = await jobOf(head, flags.text("job"));
    const output = flags.text("output") ?? `${job}.trace.json`;
    if (output === "-") {
      await writeTrace(head, job, async (text) => {
        process.stdout.write(text);
        await drained();
      });
      return 0;
    }
    const written = await writeFile(output, (write) => writeTrace(head, job, write));
    if (flags.isSet("json")) printJson({ job, file: output, ...written });
    else {print(
        `${output}: ${written.events} events of ${job}, ${
          byteText(written.bytes)
        }; open it in ui.perfetto.dev`,
      );}
    return 0;
  });
}

/** The driver's job: the one that is named, that of a submitted job, or the newest. */
async function jobOf(head: HeadClient, given: string | null): Promise<string> {
  if (given !== null) {
    const { row } = await head.ask("submission", { submissionId: given, waitMs: 0 });
    if (row !== null && row.jobId === null) {
      throw new UsageError(`timeline: ${given} has no timeline: its program has not used the cluster`);
    }
    return row?.jobId ?? given;
  }
  const { rows: [newest] } = await head.ask("list", { kind: "jobs", limit: 1 });
  if (newest === undefined) throw new UsageError("timeline: there is no job yet");
  return String(newest["jobId"]);
}

/** A trace that has its name is whole. UsageError when it cannot be written. */
async function writeFile<T>(path: string, fill: (write: Write) => Promise<T>): Promise<T> {
  const part = `${path}.part`;
  const file = await open(part, "w").catch((error: Error) => {
    throw new UsageError(`timeline: cannot write ${path}: ${error.message}`);
  });
  try {
    const filled = await fill(async (text) => void await file.write(text));
    await file.close();
    await rename(part, path);
    return filled;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}

async function writeTrace(
  head: HeadClient,
  job: string,
  write: Write,
): Promise<{ events: number; bytes: number }> {
  let events = 0;
  let size = 0;
  const put = async (text: string): Promise<void> => {
    size += Buffer.byteLength(text);
    await write(text);
  };
  await put('{"displayTimeUnit":"ms","traceEvents":[');
  let after: string | null = null;
  do {
    const params: URLSearchParams = new URLSearchParams({ job, ...after === null ? {} : { after } });
    const question = `timeline/export?${params}`;
    const page = (await head.request("query", { question }, [], PAGE_TIMEOUT_MS)).result.data as TracePage;
    const text = page.traceEvents.map((event) => JSON.stringify(event)).join(",\n");
    if (text !== "") await put(`${events === 0 ? "\n" : ",\n"}${text}`);
    events += page.traceEvents.length;
    after = page.next;
  } while (after !== null);
  await put("\n]}\n");
  return { events, bytes: size };
}
