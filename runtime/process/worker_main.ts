/**
 * Entry of worker processes that run mobula's modules as they are; see worker_bundle.ts for the others.
 * @module
 */
import { runWorker } from "./worker_process.ts";

runWorker();
