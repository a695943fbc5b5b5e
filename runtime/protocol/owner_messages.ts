/**
 * What the head answers to the cluster's owner alone, by the command line: it has the cluster's token.
 * @module
 */
import type { SqlResult } from "../../dashboard/api/sql.ts";
import type { Method } from "./method.ts";

export interface OwnerMethods {
  /** One statement that reads the store. */
  readonly sql: Method<{ sql: string; limit: number }, SqlResult>;
}
