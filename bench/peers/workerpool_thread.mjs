/** A workerpool thread. */
import workerpool from "workerpool";
import smallValue from "./pool_work.mjs";

workerpool.worker({ smallValue });
