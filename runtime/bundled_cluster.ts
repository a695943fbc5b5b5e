/**
 * Entry of the bundle that the processes of a cluster run (process/worker_bundle.ts), workers excepted: the path of the module
 * that the process would otherwise run comes as its first argument.
 * @module
 */
import { realpathSync } from "node:fs";
import process from "node:process";
import { programHere, runsFrom } from "./platform/runtime_folder.ts";

/** The bundler's: what is behind it runs when it is called for. */
declare function require(path: string): unknown;

/** By path in `runtime/`. */
const PROGRAMS: Readonly<Record<string, () => unknown>> = {
  "process/head_main.ts": () => require("./process/head_main.ts"),
  "process/agent_main.ts": () => require("./process/agent_main.ts"),
  "io/storage/store_process.ts": () => require("./io/storage/store_process.ts"),
  "io/telemetry/telemetry_process.ts": () => require("./io/telemetry/telemetry_process.ts"),
};

const [, bundle, wanted] = process.argv;
runsFrom(realpathSync(bundle!));
const found = Object.keys(PROGRAMS).find((module) => programHere(module, null).entry === wanted);
if (found === undefined) {
  console.error(`The bundle ${bundle} does not have ${wanted}`);
  process.exit(64);
}
PROGRAMS[found]!();
