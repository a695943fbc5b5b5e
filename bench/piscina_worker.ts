/**
 * A piscina thread.
 * @module
 */
import { echo } from "./pool_work.ts";

export default echo;
