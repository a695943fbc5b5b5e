/** A poolifier thread. */
import { ThreadWorker } from "poolifier";
import smallValue from "./pool_work.mjs";

export default new ThreadWorker(smallValue);
