/**
 * What is asked and told for people's sake: by the head of agents, by agents of their processes (messages.ts extends them). Nothing
 * depends on an answer.
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId, TaskId } from "../common/ids.ts";
import type { HeldRef, MemoryReport, NodeObjects } from "../common/memory_facts.ts";
import type { CallFacts, LeaseFacts, NodeFacts, WorkerFacts } from "../common/why_facts.ts";
import type * as logs from "./log_messages.ts";
import type { Method, Notification } from "./method.ts";
import type { SubmissionQuestions } from "./submission_messages.ts";

/** Bytes of objects that came from one node since the agent that tells of it began. */
export interface TransferReport {
  readonly from: NodeId;
  readonly bytes: number;
  /** Finished ones. */
  readonly transfers: number;
}

/** What one worker process uses of its host. */
export interface WorkerFigures {
  readonly workerId: ProcessId;
  /** Its own memory, without what it shares with others (the object store). */
  readonly rssBytes: number;
  /** Of one processor, lately: over 100 for one that uses several. */
  readonly cpuPercent: number;
}

/** A node's clock: ahead of the head's by `offsetMs`, known to half of `roundTripMs`. */
export interface NodeClock {
  readonly nodeId: NodeId;
  readonly offsetMs: number | null;
  readonly roundTripMs: number | null;
  readonly version: string | null;
}

/** Head -> agent. */
export interface NodeQuestions extends logs.NodeQuestions, SubmissionQuestions {
  /** What this node knows of a task that one of its processes submitted; of an actor's creation (`process` null), any of them. */
  readonly explainCall: Method<{ id: TaskId | ActorId; process: ProcessId | null }, NodeFacts>;
  /** What this node knows of a lease request that was passed on to it, or of an actor that it was told to start. */
  readonly explainLease: Method<
    { submitter: ProcessId; requestId: string } | { actorId: ActorId; incarnation: number },
    { lease: LeaseFacts | null }
  >;
  /** Its clock, and which mobula it runs. */
  readonly clock: Method<Record<string, never>, { nowMs: number; version: string }>;
  /** What one of the node's workers waits for here. */
  readonly explainWorker: Method<{ workerId: ProcessId }, WorkerFacts>;
  /** The node's objects, and all refs that it counts: at most `limit`, the largest; or one of them. */
  readonly nodeMemory: Method<{ limit: number; id: ObjectId | ActorId | null }, NodeObjects>;
}

/** Agent -> driver, worker. */
export interface CoreQuestions {
  /** Where a task that the process submitted stands, or the creation of an actor that it has no answer for: for "why". Null:
   *  not this process's. */
  readonly explain: Method<{ id: TaskId | ActorId }, { call: CallFacts | null }>;
  /** The refs that the process counts with their homes: at most `limit`, or one of them. */
  readonly heldRefs: Method<{ limit: number; id: ObjectId | ActorId | null }, { refs: HeldRef[] }>;
}

/** Process, agent, command line -> head. */
export interface HeadQuestions extends logs.HeadQuestions {
  /** An agent's word: the objects that are on their way to its node now, in place of those of its last word. */
  readonly reportIncoming: Notification<{ ids: ObjectId[] }>;
  /** An agent's word: what its node's store has received from each peer (itself: from its disk) since the agent began, of
   *  those where it has changed. */
  readonly reportTransfers: Notification<{ received: TransferReport[] }>;
  /** An agent's word: what some of its worker processes use, of those where it has changed. */
  readonly reportWorkerFigures: Notification<{ figures: WorkerFigures[] }>;
  /** One sentence: why this task, actor, object or group is where it is. RangeError for what nobody knows. */
  readonly why: Method<{ id: string }, { sentence: string }>;
  /** Rows for people: kind is tasks, actors, objects, nodes, workers, jobs, placement-groups. `next`: pass it as `after` for the
   *  rows that follow, null at the end; `dropped`: rows that are no longer in memory. RangeError for what is no query. */
  readonly list: Method<
    { kind: string; filters?: string[]; limit?: number; after?: string; detail?: boolean },
    { rows: Record<string, unknown>[]; total: number; next: string | null; dropped: number }
  >;
  /** Rows of a kind counted by columns; `ungrouped` rows are in none of the groups, because there were too many. */
  readonly summarize: Method<
    { kind: string; by?: string[]; filters?: string[] },
    { rows: Record<string, unknown>[]; total: number; ungrouped: number; dropped: number }
  >;
  /** What each living node's clock says beside the head's, asked now; null for a node that does not answer. */
  readonly clocks: Method<Record<string, never>, { version: string; nodes: NodeClock[] }>;
  /** Any of the dashboard's queries, as `name?param=value`. RangeError for what is no question or has no answer. */
  readonly query: Method<{ question: string }, { data: unknown }>;
  /** A page of what tasks did, as trace events: of one job, or of all. Pass `next` as `after`; null at the end. */
  readonly timeline: Method<
    { job?: string; after?: string },
    { traceEvents: readonly Readonly<Record<string, unknown>>[]; next: string | null }
  >;
  /** Snapshots of the view's topics, by name. RangeError for a topic that there is not. */
  readonly topics: Method<{ names: string[] }, { data: Record<string, unknown> }>;
  /** All that is known of what the id names: no row when that is nothing. RangeError for what is no id. */
  readonly state: Method<{ id: string }, { rows: Record<string, unknown>[] }>;
  /** All objects and who holds them, asked of all nodes now: at most `limit` (default 1,000) of each; or the one object. */
  readonly memory: Method<{ limit?: number; id?: string }, MemoryReport>;
}
