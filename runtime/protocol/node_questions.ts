/**
 * What the head asks agents for people's sake (messages.ts: head -> agent). Nothing depends on an answer.
 * @module
 */
import type { ActorId, ProcessId, TaskId } from "../common/ids.ts";
import type { LeaseFacts, NodeFacts } from "../common/why_facts.ts";
import type { Method } from "./method.ts";

export interface NodeQuestions {
  /** What this node knows of a task that one of its processes submitted; of an actor's creation (`process` null), any of them. */
  readonly explainCall: Method<{ id: TaskId | ActorId; process: ProcessId | null }, NodeFacts>;
  /** What this node knows of a lease request that was passed on to it, or of an actor that it was told to start. */
  readonly explainLease: Method<
    { submitter: ProcessId; requestId: string } | { actorId: ActorId; incarnation: number },
    { lease: LeaseFacts | null }
  >;
}
