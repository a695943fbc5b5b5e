/**
 * Messages about what workers print (messages.ts extends them).
 * @module
 */
import type { JobId } from "../common/ids.ts";
import type { OutputBatch } from "../common/log_lines.ts";
import type { Method, Notification } from "./method.ts";

/** Driver -> agent. */
export interface AgentMethods {
  /** Answered after `output` with what the driver's job's workers have printed so far, on this node and on those that this
   *  node is connected to. */
  readonly flushOutput: Method<Record<string, never>, Record<string, never>>;
}

/** Agent -> driver. */
export interface CoreMethods {
  /** What the workers of the driver's job printed, if it wants to hear it. */
  readonly output: Notification<{ batches: readonly OutputBatch[] }>;
}

/** Agent -> agent. */
export interface PeerMethods {
  /** For a job's drivers at the receiver: what its workers printed. */
  readonly output: Notification<{ jobId: JobId; batches: readonly OutputBatch[] }>;
  /** What the job's workers at the receiver have printed and what was not sent yet. */
  readonly flushOutput: Method<{ jobId: JobId }, { batches: OutputBatch[] }>;
}
