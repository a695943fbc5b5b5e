/**
 * `mobula report JOB -o FILE`: one job as one HTML file, with its profile, graph, timeline, objects, actors and errors; from
 * the cluster, or from the store that it left.
 * @module
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { byteText } from "../common/byte_text.ts";
import { buildReport } from "../process/report.ts";
import { withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import { withStore } from "./store_file.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const reportCommand: CommandDefinition = {
  name: "report",
  summary: "one job as one HTML file that opens anywhere, offline",
  positionals: [{
    name: "JOB",
    help: "its id, such as j-1f3a…; `mobula ls jobs` lists them",
    isRequired: true,
  }],
  flags: {
    ...COMMON_FLAGS,
    output: { type: "string", short: "o", value: "FILE", help: "default: JOB.html" },
    store: {
      type: "string",
      value: "FILE",
      help: "the store of a cluster that does not run: gcs.db, or its folder",
    },
  },
  examples: [
    ["mobula report j-1f3a… -o run.html", "a job that runs, or that is over"],
    ["mobula report --store old/gcs.db j-1f3a…", "of a cluster that is gone"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [jobId] = flags.positionals;
  if (jobId === undefined) throw new UsageError("report: say of which job; `mobula ls jobs` lists them");
  if (!/^j-[0-9a-f]+$/.test(jobId)) throw new UsageError(`report: ${JSON.stringify(jobId)} is no job's id`);
  const file = flags.text("store");
  const record = file === null
    ? await withHead(flags, (head) => head.ask("jobRecord", { jobId }))
    : await withStore(file, (reader) => reader.ask("recordBytes", { jobId }));
  if (record === null) {
    throw new UsageError(`report: nothing is kept of ${jobId}; \`mobula sql\` on job_records lists what is`);
  }
  const html = await buildReport(jobId, record.gzip);
  const path = resolve(flags.text("output") ?? `${jobId}.html`);
  writeFileSync(path, html);
  const size = Buffer.byteLength(html);
  if (flags.isSet("json")) printJson({ file: path, bytes: size });
  else print(`${path} (${byteText(size)})`);
  return 0;
}
