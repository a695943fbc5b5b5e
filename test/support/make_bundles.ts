/**
 * Makes the workers' bundles in the cache that the tests use, before the first of them: else agents would have it done in the
 * middle of tests, as one more process of theirs.
 * @module
 */
import { WorkerBundles } from "../../runtime/process/worker_bundle.ts";
import { RUNTIMES } from "./run_program.ts";

const bundles = new WorkerBundles((line) => console.error(line));
await Promise.all(RUNTIMES.map((runtime) => bundles.settled(runtime)));
