/**
 * What goes into the GCS and what comes out: the requests of agents and of the CLI (HeadMethods), the clock, and what the
 * head must persist, answer and send. The shapes only.
 *
 * `requestId` is the head's own name for a request that wants an answer (unique while the head lives). An agent that sends
 * a request again after its connection broke comes with a new one; the newest is answered.
 * @module
 */
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { PickParams } from "../../common/task_spec.ts";
import type { HeadMethods, NodeMethods, NodeOrder, ObjectReport } from "../../protocol/messages.ts";
import type { BundleWord } from "../../protocol/group_messages.ts";
import type { ActorEffect, ActorEvent, ActorRecord } from "../actor/actor_events.ts";
import type { DirectoryEffect, DirectoryEvent } from "../object/directory_events.ts";
import type { GroupEffect, GroupEvent, GroupRecord } from "./group_events.ts";
import type { JobEffect, JobEvent, JobRecord } from "./job_manager.ts";
import type { NodeEffect, NodeEvent, NodeRecord } from "./node_manager.ts";

/** The members of a union with this type. */
export type Of<U extends { type: string }, T extends U["type"]> = Extract<U, { type: T }>;

export type ActorRequest =
  | Omit<Of<ActorEvent, "createActor">, "refused">
  | Omit<Of<ActorEvent, "createActors">, "refused">
  /** Several that came in one message. `requestId`: to be answered; null for news. */
  | {
    readonly type: "actorEvents";
    readonly requestId: string | null;
    readonly events: readonly Of<ActorEvent, "watchActor" | "unwatchActor" | "actorOutOfScope">[];
  }
  | Of<ActorEvent, "getActor" | "watchActor" | "unwatchActor" | "killActor" | "reviveActor">
  | (Of<ActorEvent, "actorOutOfScope" | "actorStarted" | "actorsStarted" | "actorsEnded" | "actorLineage"> & {
    readonly requestId: string;
  });

/** What a process wishes of one group. */
export type GroupWish =
  | Pick<Of<GroupEvent, "createGroup">, "type" | "spec">
  | Omit<Of<GroupEvent, "removeGroup">, "requestId">
  | Omit<Of<GroupEvent, "waitGroup">, "requestId">;

/** What agents ask the placement group manager; a node's word about its bundles is answered at once. */
export type GroupRequest =
  | Of<GroupEvent, "getGroup">
  /** Several that came in one message. Answered with GroupOutcomes. */
  | { readonly type: "groupWishes"; readonly requestId: string; readonly wishes: readonly GroupWish[] }
  | {
    readonly type: "bundlesTold";
    readonly requestId: string;
    readonly nodeId: NodeId;
    readonly words: readonly BundleWord[];
  };

export type GcsEvent =
  /** Answered with HeadMethods.registerNode's result, or refused. */
  | Of<NodeEvent, "registerNode" | "heartbeatReceived" | "connectionClosed" | "tick">
  /** Answered with HeadMethods.drainNode's result. */
  | (Omit<Of<NodeEvent, "drainNode">, "busy"> & { readonly ifIdle: boolean })
  | (Of<NodeEvent, "unregisterNode"> & { readonly requestId: string })
  | Of<JobEvent, "addJob">
  | (Of<JobEvent, "endJob"> & { readonly requestId: string })
  | (PickParams & {
    readonly type: "pickNode";
    readonly requestId: string;
    /** The agent that asks. */
    readonly nodeId: NodeId;
  })
  | { readonly type: "cancelPick"; readonly submitter: ProcessId; readonly leaseRequestId: string }
  | (Of<DirectoryEvent, "objectsReported"> & { readonly requestId: string })
  | Of<DirectoryEvent, "locateObject" | "cancelLocate" | "objectsMadeAt">
  | (Of<DirectoryEvent, "freeObjects"> & { readonly requestId: string })
  | ActorRequest
  | GroupRequest
  /** At the time that `setTimer` said. */
  | Of<GroupEvent, "timer">
  | ({ readonly type: "workerExited"; readonly requestId: string } & HeadMethods["workerExited"]["params"]);

/** A message to a node's agent. When the node has no connection it is dropped: registering again makes up for it. */
export type SendEffect = {
  [M in NodeOrder]: {
    readonly type: "send";
    readonly nodeId: NodeId;
    readonly method: M;
    readonly params: NodeMethods[M]["params"];
    /** Not before everything that was persisted by earlier effects is durable. */
    readonly afterCommit: boolean;
  };
}[NodeOrder];

export type GcsEffect =
  | Of<NodeEffect, "persistNode" | "forgetNode" | "closeConnection">
  | Of<JobEffect, "persistJob" | "forgetJob">
  | Of<ActorEffect, "persistActor" | "persistName" | "forgetActor">
  | Of<GroupEffect, "persistGroup" | "forgetGroup" | "setTimer">
  /** Written behind; nothing waits for it. */
  | Of<DirectoryEffect, "persistObjects">
  /** For the log: the last copy is gone. */
  | Of<DirectoryEffect, "objectLost">
  /** From now on messages to this node go by this connection. */
  | {
    readonly type: "nodeConnected";
    readonly nodeId: NodeId;
    readonly epoch: number;
    readonly connection: number;
  }
  | {
    readonly type: "reply";
    readonly requestId: string;
    /** The method's result. `registerNode`: without dashboardUrl, which the head adds. */
    readonly result: Readonly<Record<string, unknown>>;
    readonly afterCommit: boolean;
  }
  | {
    readonly type: "replyError";
    readonly requestId: string;
    readonly code: string;
    readonly message: string;
    readonly afterCommit: boolean;
  }
  | SendEffect;

/** What a restarted head knows from its store. */
export interface GcsRecords {
  readonly nodes: readonly NodeRecord[];
  readonly jobs: readonly JobRecord[];
  readonly actors: readonly ActorRecord[];
  readonly groups: readonly GroupRecord[];
  readonly objects: readonly { readonly nodeId: NodeId; readonly object: ObjectReport }[];
}
