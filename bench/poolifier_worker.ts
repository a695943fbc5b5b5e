/**
 * A poolifier thread.
 * @module
 */
import { ThreadWorker } from "poolifier";
import { echo } from "./pool_work.ts";

const worker: ThreadWorker<number, number> = new ThreadWorker<number, number>((value) => echo(value!));
export default worker;
