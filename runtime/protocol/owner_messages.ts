/**
 * What the head answers to the cluster's owner alone, by the command line: it has the cluster's token.
 * @module
 */
import type { SqlResult } from "../../dashboard/api/sql.ts";
import type { Method } from "./method.ts";

export interface OwnerMethods {
  /** What is kept of a job, as gzipped JSON in base64; of one that runs, as it is now. */
  readonly jobRecord: Method<{ jobId: string }, { gzip: string } | null>;
  /** One statement that reads the store. */
  readonly sql: Method<{ sql: string; limit: number }, SqlResult>;
}
