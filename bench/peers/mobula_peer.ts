/**
 * mobula as a peer: Ray's 23 microbenchmarks under Ray's names, by the public API, driver and workers on the runtime that
 * runs this file. The full system is on: recording, dashboard, token.
 *
 *   mobula_peer.ts [--plain] [--tasks]      --plain: without recording and dashboard; --tasks: nothing but tasks is measured
 * @module
 */
import { cpus } from "node:os";
import process from "node:process";
import { init, shutdown } from "mobula";
import { coldPuts } from "../microbenchmarks/cold_puts.ts";
import { microbenchmarks } from "../microbenchmarks/suite.ts";
import { batch, smallValue } from "../microbenchmarks/work.ts";
import { copyWorkloads } from "./copies.ts";
import { serveWorkloads } from "./workload.ts";

const STORE_BYTES = 4 * 1024 ** 3;
const CPUS = cpus().length;
/** Of fresh memory, before anything else has touched the store. */
const COLD_PUTS = 8;

const isPlain = process.argv.includes("--plain");
if (isPlain) process.env["MOBULA_RECORD_TASKS"] = "0";
const beganMs = performance.now();
await init({
  numCpus: CPUS,
  resources: { custom: 100 },
  objectStoreBytes: STORE_BYTES,
  dashboard: !isPlain,
  logToDriver: false,
});
await batch(1, () => smallValue.remote());
const firstResultMs = performance.now() - beganMs;
const cold = process.argv.includes("--tasks") ? null : await coldPuts(COLD_PUTS);
await serveWorkloads(
  { ...microbenchmarks({ cpus: CPUS, bundle: { custom: 0.001 } }), ...copyWorkloads() },
  shutdown,
  { firstResultMs, ...(cold === null ? {} : { cold }) },
);
process.exit(0);
