/**
 * Which part of the agent answers which message: of a driver or worker, of another agent, of the head.
 * @module
 */
import { type NodeId, possibleOwners } from "../common/ids.ts";
import type { LogSearcher } from "../io/logs/log_searcher.ts";
import { type Handlers, Reply } from "../io/transport/rpc.ts";
import type { ObjectStore } from "../io/store/store_host.ts";
import type { UserMetrics } from "../io/telemetry/metrics/user_metrics.ts";
import type { AgentMethods, HeadMethods, NodeMethods, PeerMethods } from "../protocol/messages.ts";
import type { Actors } from "./agent_actors.ts";
import type { NodeDrain } from "./agent_drain.ts";
import type { FunctionCache } from "./agent_functions.ts";
import type { Heirs } from "./agent_heirs.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { Jobs } from "./agent_jobs.ts";
import type { Leases } from "./agent_leases.ts";
import type { OutputRouter } from "./agent_output.ts";
import type { Peers } from "./agent_peers.ts";
import type { AttachedProcess, ProcessTable } from "./agent_processes.ts";
import { rebuiltHere } from "./agent_rebuilds.ts";
import { restrictedHandlers } from "./agent_restricted.ts";
import type { Relays } from "./agent_relays.ts";
import type { Submissions } from "./agent_submissions.ts";
import type { Tracer } from "./agent_tracer.ts";
import { explainHandlers } from "./agent_why.ts";
import { logHandlers } from "./agent_log_questions.ts";
import type { WorkerProcesses } from "./agent_workers.ts";

/** What the handlers hand over to. */
export interface AgentParts {
  readonly nodeId: NodeId;
  readonly headAddress: string;
  readonly head: HeadLink;
  readonly peers: Peers;
  readonly processes: ProcessTable;
  readonly workers: WorkerProcesses;
  readonly leases: Leases;
  readonly actors: Actors;
  readonly jobs: Jobs;
  readonly relays: Relays;
  readonly functions: FunctionCache;
  readonly store: ObjectStore;
  readonly tracer: Tracer;
  readonly drain: NodeDrain;
  readonly heirs: Heirs;
  readonly metrics: UserMetrics;
  readonly submissions: Submissions;
  readonly output: OutputRouter;
  readonly logs: LogSearcher;
  readonly logFolder: string;
}

/** Head methods that only agents may use for themselves: no process may speak for a node. */
const AGENT_ONLY: ReadonlySet<string> = new Set<keyof HeadMethods>([
  "registerNode",
  "heartbeat",
  "unregisterNode",
  "addJob",
  "endJob",
  "reportObjects",
  "freeObjects",
  "actorIncarnation",
  "actorsOutOfScope",
  "actorStarted",
  "workerExited",
  "reportWorkers",
  "reportActorFigures",
  "reportIncoming",
  "reportTransfers",
  "reportWorkerFigures",
  "taskEvents",
  "bundlesTold",
  "pickNode",
  "cancelPick",
  "locateObject",
  "cancelLocate",
  "placeObjects",
  "objectsMadeAt",
  "watchActor",
  "watchActors",
  "unwatchActors",
  "actorsStarted",
  "actorsEnded",
  "stopCluster",
  "submitJob",
  "stopSubmission",
  "submissions",
  "submission",
  "submissionOutput",
  "submissionStarted",
  "submissionEnded",
]);

const EMPTY: Record<string, never> = {};
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Messages of one driver or worker. */
export function processHandlers(process: AttachedProcess, parts: AgentParts): Handlers<AgentMethods> {
  const all = {
    ...jobHandlers(process, parts),
    ...leaseHandlers(process, parts),
    ...objectHandlers(process, parts),
    ...actorHandlers(process, parts),
    ...relayHandlers(process, parts),
  };
  return process.sandbox === null ? all : restrictedHandlers(all, process, process.sandbox, parts);
}

function jobHandlers(process: AttachedProcess, parts: AgentParts): Handlers<AgentMethods> {
  const { jobs, functions, tracer, head, heirs, leases, workers, nodeId, headAddress } = parts;
  return {
    registerDriver: (params) => jobs.registerDriver(process, params),
    registerWorker: () => {
      const worker = workers.ready(process.id);
      if (worker === null) throw new Error(`${process.id} is not expected as a worker here.`);
      leases.step({ type: "workerReady", startId: worker.startId, workerId: worker.id });
      return { nodeId, address: headAddress };
    },
    endJob: ({ jobId }) => jobs.endJob(process, jobId),
    flushOutput: () => parts.output.flushFor(process),
    exportFunction: (params, sections) => functions.export(params, sections),
    fetchFunction: ({ hash }) => functions.fetch(hash),
    keepLineage: (params, sections) => heirs.told(process, params, sections),
    cancelLineage: ({ task }) => heirs.cancelled(process, task),
    taskEvents: async ({ batch }) => {
      await tracer.taskEvents(batch);
      return EMPTY;
    },
    head: async ({ method, params }, sections) => {
      if (AGENT_ONLY.has(method)) throw new TypeError(`${method} is not for processes.`);
      const answer = await head.request(method as keyof HeadMethods, params as never, sections);
      return new Reply(answer.result as unknown, answer.sections);
    },
  };
}

function leaseHandlers(process: AttachedProcess, parts: AgentParts): Handlers<AgentMethods> {
  const { leases, peers, nodeId, workers } = parts;
  const submitter = process.id;
  return {
    requestLease: (request) => {
      if (request.submitter !== submitter) {
        throw new TypeError(`${submitter} cannot lease for ${request.submitter}.`);
      }
      return leases.request({ ...request, submitterNode: nodeId }, "own");
    },
    cancelLease: ({ requestId }) => leases.step({ type: "leaseCancelled", submitter, requestId }),
    leaseBacklog: ({ requestId, backlog }) =>
      leases.step({ type: "backlogChanged", submitter, requestId, backlog }),
    returnLease: ({ leaseId, nodeId: at, workerId, workerLost, retired }) => {
      if (at === nodeId) return returned(leases, { leaseId, workerLost, retired });
      leases.step({ type: "remoteLeaseReturned", leaseId });
      peers.notify(at, "returnLease", {
        leaseId,
        nodeId: at,
        workerId,
        ...(workerLost === true ? { workerLost } : {}),
        ...(retired === true ? { retired } : {}),
      });
    },
    cancelTask: async (params) => {
      if (params.home === nodeId) return await cancelHere(parts.processes, params);
      return (await peers.request(params.home, "cancelTask", params)).result;
    },
    workerFate: async (params) => {
      if (params.nodeId === nodeId) return await fateOf(workers, params);
      try {
        return (await peers.request(params.nodeId, "workerFate", params)).result;
      } catch (error) {
        return { alive: false, cause: { code: "NODE_DIED", message: (error as Error).message } };
      }
    },
    blocked: ({ blocked }) =>
      leases.step({ type: blocked ? "workerBlocked" : "workerUnblocked", workerId: submitter }),
  };
}

function returned(
  leases: Leases,
  { leaseId, workerLost, retired }: {
    readonly leaseId: string;
    readonly workerLost: boolean | undefined;
    readonly retired: boolean | undefined;
  },
): void {
  const discardWorker = workerLost === true;
  leases.step({ type: "leaseReturned", leaseId, discardWorker, ...(retired === true ? { retired } : {}) });
}

/** The owner is a process of this node; one that is gone has taken its tasks with it. */
async function cancelHere(
  processes: ProcessTable,
  params: AgentMethods["cancelTask"]["params"],
): Promise<Record<string, never>> {
  for (const id of possibleOwners(params.id)) {
    const owner = processes.get(id);
    if (owner !== undefined) return (await owner.rpc.request("cancelTask", params)).result;
  }
  return EMPTY;
}

/** A worker whose connection broke is usually just about to be seen exiting: give that a moment, for the better cause. */
async function fateOf(
  workers: WorkerProcesses,
  { workerId }: AgentMethods["workerFate"]["params"],
): Promise<AgentMethods["workerFate"]["result"]> {
  const worker = workers.get(workerId);
  if (worker !== undefined) {
    await Promise.race([
      new Promise<void>((resolve) => worker.child.once("exit", () => queueMicrotask(resolve))),
      new Promise<void>((resolve) => setTimeout(resolve, 500)),
    ]);
  }
  return { alive: workers.get(workerId) !== undefined, cause: workers.fateOf(workerId) };
}

function objectHandlers(process: AttachedProcess, parts: AgentParts): Handlers<AgentMethods> {
  const { store, leases } = parts;
  const { id, remote } = process;
  return {
    createObject: (params) => store.createObject(id, params),
    sealObject: (params) => store.sealObject(id, params),
    abortObject: (params) => store.abortObject(id, params),
    putInline: (params, [bytes]) => store.putInline(id, params, bytes ?? NO_BYTES),
    writeObject: (params, [bytes]) => store.writeObject(id, params, bytes ?? NO_BYTES),
    getObject: async (params) => {
      const { bytes, ...answer } = await store.getObject(id, params, { remote });
      return new Reply(answer, bytes === null ? [] : [bytes]);
    },
    waitObject: (params) => store.waitObject(id, params),
    prefetch: (params) => store.prefetch(id, params),
    cancelGet: (params) => store.cancelGet(id, params),
    unpin: (params) => store.unpin(id, params),
    readObject: (params) => new Reply(EMPTY, [store.readObject(id, params)]),
    references: (params) => {
      store.references(id, params);
      const before = process.owned;
      for (const { op } of params.changes) {
        if (op === "own") process.owned++;
        else if (op === "disown") process.owned--;
      }
      if (process.role !== "worker" || (before > 0) === (process.owned > 0)) return;
      leases.step({ type: "workerOwns", workerId: id, owns: process.owned > 0 });
    },
    flushReferences: () => store.flushReferences(id),
  };
}

function actorHandlers(process: AttachedProcess, parts: AgentParts): Handlers<AgentMethods> {
  const { head, actors, workers, metrics } = parts;
  return {
    userMetrics: (report) => metrics.take(process.id, process.jobId ?? "", report),
    actorFigures: ({ figures }) =>
      actors.figures.told(figures, (actorId) => actors.hostedBy(process.id) === actorId),
    leaving: ({ message, drained }) => workers.leaving(process.id, { code: "EXITED", message }, drained),
    createActor: async (params, sections) => (await head.request("createActor", params, sections)).result,
    getActor: async (params) => (await head.request("getActor", params)).result,
    ...lightActorHandlers(process, parts),
    watchActor: ({ actorId, owner }) => actors.watches.watch(process, actorId, owner),
    killActor: async ({ actorId, noRestart }) => {
      if (noRestart) return (await head.request("killActor", { actorId, noRestart })).result;
      // It names whom it means: sent again to a head that has restarted the actor, it must not cost another restart.
      const { result: { incarnation } } = await head.request("actorIncarnation", { actorId });
      return (await head.request("killActor", { actorId, noRestart, incarnation })).result;
    },
  };
}

function lightActorHandlers(process: AttachedProcess, { head, actors }: AgentParts): Handlers<AgentMethods> {
  return {
    createActors: async (batch, sections) => {
      // Before the head hears of it: what it says of them may come with its answer.
      actors.watches.created(process, batch.actorIds);
      return (await head.request("createActors", batch, sections)).result;
    },
    actorsHosted: (outcome, sections) => actors.light.hosted(process.id, outcome, sections),
    actorsLeft: (ended) => actors.light.left(process.id, ended),
  };
}

function relayHandlers(process: AttachedProcess, { relays }: AgentParts): Handlers<AgentMethods> {
  return {
    openRelay: (params) => relays.openFor(process, params),
    relayFrame: ({ relayId }, frames) => relays.framesFrom(process, relayId, frames),
    closeRelay: ({ relayId }) => relays.closedFrom(process, relayId),
  };
}

/** Messages of another agent, over either connection. */
export function peerHandlers(peer: NodeId, parts: () => AgentParts): Handlers<PeerMethods> {
  return {
    requestLease: (request) => {
      if (request.submitterNode !== peer) {
        throw new TypeError(`${peer} cannot lease for ${request.submitterNode}.`);
      }
      return parts().leases.request(request, "peer");
    },
    cancelLease: ({ submitter, requestId }) =>
      parts().leases.step({ type: "leaseCancelled", submitter, requestId }),
    leaseBacklog: ({ submitter, requestId, backlog }) =>
      parts().leases.step({ type: "backlogChanged", submitter, requestId, backlog }),
    returnLease: ({ leaseId, workerLost, retired }) =>
      returned(parts().leases, { leaseId, workerLost, retired }),
    cancelTask: (params) => cancelHere(parts().processes, params),
    rebuildObject: (params) => rebuiltHere(parts(), params),
    remakeObjects: (order, sections) => parts().heirs.remake(order, sections),
    reclaimLease: ({ leaseId, submitter }) =>
      parts().processes.notify(submitter, "reclaimLease", { leaseId }),
    leaseLost: ({ leaseId, submitter, workerId, cause }) => {
      parts().leases.step({ type: "remoteLeaseReturned", leaseId });
      parts().processes.notify(submitter, "leaseLost", { leaseId, workerId, cause });
    },
    workerFate: (params) => fateOf(parts().workers, params),
    adoptObjects: async ({ objects }) => ({ adopted: await parts().store.adoptObjects(peer, objects) }),
    references: ({ from, changes }) => {
      if (from !== peer) throw new TypeError(`${peer} cannot count for ${from}.`);
      parts().store.peerReferences(from, changes);
      return EMPTY;
    },
    openRelay: (params, _sections, { rpc }) => parts().relays.openHere(rpc, { ...params, at: peer }),
    relayFrame: ({ relayId }, frames) => parts().relays.frames(relayId, frames),
    closeRelay: ({ relayId }) => parts().relays.closed(relayId),
    output: ({ jobId, batches }) => parts().output.arrived(jobId, batches),
    flushOutput: ({ jobId }) => ({ batches: parts().output.collect(jobId) }),
  };
}

/** Orders and news of the head. `onNodes`, `onShutdown`: what concerns the agent as a whole. */
export function nodeHandlers(
  parts: () => AgentParts,
  on: {
    readonly nodes: (nodes: NodeMethods["nodesChanged"]["params"]["nodes"]) => void;
    readonly shutdown: (reason: string, fenced: boolean) => void;
  },
): Handlers<NodeMethods> {
  return {
    ...explainHandlers(parts),
    ...logHandlers(parts),
    nodesChanged: ({ nodes }) => on.nodes(nodes),
    startActor: (order, [args]) => {
      parts().actors.start(order, args ?? NO_BYTES);
      return EMPTY;
    },
    stopActor: ({ actorId, incarnation, graceful, cause }) =>
      parts().actors.stop(actorId, incarnation, graceful, cause),
    stopActors: ({ actors, graceful, cause }) => {
      for (const [actorId, incarnation] of actors) {
        parts().actors.stop(actorId, incarnation, graceful, cause);
      }
    },
    actorStatus: ({ status }, sections) => parts().actors.watches.published(status, sections),
    startActors: (batch, [args]) => parts().actors.light.start(batch, args ?? NO_BYTES),
    actorStatuses: (batch) => parts().actors.watches.publishedMany(batch),
    deleteObjects: ({ ids }) => parts().store.deleteObjects(ids),
    ownerless: ({ objects }) => parts().store.ownerless(objects),
    bundleOrders: ({ orders }) => {
      for (const order of orders) parts().leases.step(order);
    },
    drain: (order) => parts().drain.order(order),
    startSubmission: ({ spec }) => parts().submissions.start(spec),
    endSubmission: ({ submissionId }) => parts().submissions.end(submissionId),
    readSubmission: async ({ submissionId, out, err, waitMs }) => {
      const { outputs } = parts().submissions;
      const { piece, sections } = await outputs.read(submissionId, { out, err }, waitMs);
      return new Reply(piece, sections);
    },
    jobEnded: ({ jobId }) => parts().jobs.ended(jobId),
    message: ({ jobId, level, text }) => parts().processes.message(jobId, level, text),
    shutdown: ({ reason, fenced }) => on.shutdown(reason, fenced === true),
  };
}
