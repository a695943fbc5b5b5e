/**
 * Entry of the bundle that workers run (process/worker_bundle.ts): a worker, and the API for whatever imports mobula in it,
 * so that there is one instance of each class however the code got here.
 * @module
 */
import { realpathSync } from "node:fs";
import process from "node:process";
import { answerImport } from "#platform";
import { runsFrom, RUNTIME_URL } from "./platform/runtime_folder.ts";
import { runWorker } from "./process/worker_process.ts";

/** The bundler's: what is behind it runs when it is first called for, and most workers never import mobula. */
declare function require(path: "./mod.ts"): Readonly<Record<string, unknown>>;

runsFrom(realpathSync(process.argv[1]!));
answerImport(new URL("mod.ts", RUNTIME_URL), () => require("./mod.ts"));
runWorker();
