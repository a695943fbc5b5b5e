/**
 * One call to an actor, as its caller keeps it.
 * @module
 */
import type { TaskId } from "../../common/ids.ts";
import type { ArgumentList } from "./arguments.ts";
import type { Entry } from "./entry.ts";
import type { ItemReceiver } from "./item_receiver.ts";
import type { FunctionStats } from "./recorder.ts";

/** One call, from its submission until its results are settled. */
export interface OwnCall {
  readonly sequence: number;
  readonly method: string;
  readonly args: ArgumentList;
  readonly returns: Entry[];
  /** Of a generator; its only return is then the receiver's `ended`. */
  readonly items: ItemReceiver | null;
  readonly stats: FunctionStats;
  readonly id: () => TaskId;
  readonly parent: TaskId | null;
  readonly depth: number;
  readonly retryExceptions: boolean | readonly string[];
  readonly submittedMs: number;
  /** Of its arguments; set when they are ready. */
  bytes: number;
  ready: boolean;
  retriesLeft: number;
  attempt: number;
  pushedMs: number;
  /** Which counter has it; null before and after. */
  stage: Stage | null;
}

/** What a call waits for. */
export type Stage = "pendingArgs" | "pendingNode" | "submitted";

/** Move a call to another counter. */
export function enterStage(call: OwnCall, stage: Stage | null): void {
  if (call.stage !== null) call.stats[call.stage]--;
  if (stage !== null) call.stats[stage]++;
  call.stage = stage;
}
