/**
 * What the head answers (HeadMethods): each request becomes an event of the GCS, or goes to one of the head's tables. It
 * checks who asks; it decides nothing else.
 *
 * Handlers return the very promise that the GCS's answer settles, so that answers keep their place among the messages of
 * their connection.
 * @module
 */
import { randomBytes } from "node:crypto";
import { AuthenticationError, MobulaError, NodeDiedError } from "../common/errors.ts";
import { ANY_LINE } from "../common/log_query.ts";
import { hex, jobId as jobIdOf, type NodeId } from "../common/ids.ts";
import type { Gcs } from "../core/gcs/gcs.ts";
import type { GcsEvent } from "../core/gcs/gcs_events.ts";
import { planOffload } from "../core/object/offload_plan.ts";
import type { StoreReader } from "../io/storage/reader_client.ts";
import type { GcsStore } from "../io/storage/store_client.ts";
import type { ClusterView } from "../io/telemetry/cluster_view.ts";
import { type Handlers, Reply } from "../io/transport/rpc.ts";
import type { DemandRow, HeadMethods } from "../protocol/messages.ts";
import type { ActorBytes } from "./head_actors.ts";
import { checkDrain, checkRegistration } from "./head_checks.ts";
import { checkpointHandlers } from "./head_checkpoints.ts";
import type { HeadEffects } from "./head_effects.ts";
import type { FunctionTable } from "./head_functions.ts";
import type { HeadSubmissions } from "./head_submissions.ts";
import type { TaskHistory } from "./head_history.ts";
import type { KeyValueTable } from "./head_kv.ts";
import type { HeadNodes, HeadPeer } from "./head_nodes.ts";
import { lightActorHandlers } from "./head_light_actors.ts";
import type { JobRecords } from "./head_job_records.ts";
import type { ClusterLogs } from "./head_logs.ts";
import { memoryReport } from "./head_memory.ts";
import { queryHandlers } from "./head_queries.ts";
import { stateHandlers } from "./head_state.ts";
import { Why } from "./head_why.ts";
import { groupHandlers } from "./head_groups.ts";

/** Everything that requests are answered from. */
export interface HeadServices {
  readonly gcs: Gcs;
  readonly effects: HeadEffects;
  readonly store: GcsStore;
  readonly nodes: Pick<HeadNodes, "ask">;
  readonly view: ClusterView;
  readonly functions: FunctionTable;
  readonly kv: KeyValueTable;
  readonly actorBytes: ActorBytes;
  readonly history: TaskHistory;
  readonly logs: ClusterLogs;
  /** Reads the store for people's statements. */
  readonly console: StoreReader;
  /** Reads the records of jobs, in a process that no statement holds up. */
  readonly reader: StoreReader;
  readonly records: JobRecords;
  readonly submissions: HeadSubmissions;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly info: {
    readonly clusterId: string;
    readonly address: () => string;
    readonly dashboardUrl: () => string | null;
    readonly dashboardLink: (role: "full" | "viewer") => string | null;
    /** What lets viewers in instead of the cluster's token; null without a dashboard. */
    readonly viewerToken: () => string | null;
    readonly sessionDir: string;
  };
  /** End the cluster: agents are told, then the head ends. */
  readonly stop: (reason: string) => void;
}

const NOTHING: Uint8Array = new Uint8Array(0);
const OK: Record<string, never> = {};

/** Requests that the command line may make; the others are for agents. */
export function cliHandlers(services: HeadServices): Handlers<HeadMethods> {
  return {
    ...tableHandlers(services),
    ...peopleHandlers(services),
    ...queryHandlers(services),
    ...ownerHandlers(services),
    ...services.submissions.cliHandlers(),
  };
}

/** What one agent's control connection may ask. Everything but registerNode needs a member of the cluster. */
export function agentHandlers(services: HeadServices, peer: HeadPeer): Handlers<HeadMethods> {
  const all: Handlers<HeadMethods> = {
    ...nodeHandlers(services, peer),
    ...objectHandlers(services, peer),
    ...actorHandlers(services, peer),
    ...lightActorHandlers(
      services,
      peer.hello.id as NodeId,
      <R>(event: (requestId: string) => GcsEvent) => services.effects.ask(peer.number, event) as Promise<R>,
      () => refuseWhenFull(services.store),
    ),
    ...groupHandlers(
      peer.hello.id as NodeId,
      <R>(event: (requestId: string) => GcsEvent) => services.effects.ask(peer.number, event) as Promise<R>,
      () => refuseWhenFull(services.store),
    ),
    ...tableHandlers(services),
    ...checkpointHandlers(
      services.kv,
      (actorId) => services.gcs.actors.record(actorId),
      () => refuseWhenFull(services.store),
    ),
    ...peopleHandlers(services),
    ...services.submissions.agentHandlers(peer.hello.id as NodeId),
  };
  const guarded: Record<string, unknown> = {};
  for (const [method, handler] of Object.entries(all)) {
    guarded[method] = method === "registerNode" ? handler : membersOnly(services.gcs, peer, handler as never);
  }
  return guarded as Handlers<HeadMethods>;
}

/** What an agent's heartbeat connection may say. */
export function heartbeatHandlers({ effects }: HeadServices, peer: HeadPeer): Handlers<HeadMethods> {
  return {
    heartbeat: (heartbeat) => {
      // Of another node or incarnation than the one that said hello: not its own.
      if (heartbeat.nodeId !== peer.hello.id || heartbeat.epoch !== peer.hello.epoch) return;
      effects.step({ type: "heartbeatReceived", heartbeat });
    },
  };
}

type AnyHandler = (params: unknown, sections: readonly Uint8Array[], context: never) => unknown;

/** A fenced incarnation is refused whatever it asks. */
function membersOnly(gcs: Gcs, { hello }: HeadPeer, handler: AnyHandler): AnyHandler {
  return (params, sections, context) => {
    if (!gcs.nodes.isMember(hello.id as NodeId, hello.epoch)) {
      throw new NodeDiedError(
        `Node ${hello.id} (epoch ${hello.epoch}) is not a member of the cluster: register first`,
      );
    }
    return handler(params, sections, context);
  };
}

function nodeHandlers(
  { effects, store, view, submissions }: HeadServices,
  peer: HeadPeer,
): Handlers<HeadMethods> {
  const { number: connection, hello } = peer;
  const nodeId = hello.id as NodeId;
  const ask = <R>(event: (requestId: string) => GcsEvent) => effects.ask(connection, event) as Promise<R>;
  return {
    registerNode: (registration) => {
      if (registration.nodeId !== nodeId || registration.epoch !== hello.epoch) {
        throw new AuthenticationError(
          `${nodeId} (epoch ${hello.epoch}) cannot register ${registration.nodeId}`,
        );
      }
      checkRegistration(registration);
      const answered = ask<HeadMethods["registerNode"]["result"]>((requestId) => ({
        type: "registerNode",
        requestId,
        connection,
        registration,
      }));
      answered.catch((error: Error) => view.nodeRefused(nodeId, error.message));
      return answered;
    },
    unregisterNode: ({ reason }) =>
      ask((requestId) => ({ type: "unregisterNode", requestId, nodeId, epoch: hello.epoch, reason })),
    addJob: (params) => {
      refuseWhenFull(store);
      const newJobId = jobIdOf(hex(randomBytes(6)));
      const answered = ask<HeadMethods["addJob"]["result"]>((requestId) => ({
        type: "addJob",
        requestId,
        newJobId,
        ...params,
        nodeId,
      }));
      return answered.then((result) => {
        submissions.driverJoined(nodeId, params.pid, result.jobId);
        return result;
      });
    },
    endJob: ({ jobId, reason, failed }) =>
      ask((requestId) => ({ type: "endJob", requestId, jobId, reason, failed })),
    pickNode: (params) => ask((requestId) => ({ ...params, type: "pickNode", requestId, nodeId })),
    cancelPick: ({ submitter, requestId }) =>
      effects.step({ type: "cancelPick", submitter, leaseRequestId: requestId }),
    reportWorkers: ({ workers }) => view.applyWorkers(nodeId, workers),
    reportIncoming: ({ ids }) => view.applyIncoming(nodeId, ids),
    reportTransfers: ({ received }) => view.applyTransfers(nodeId, received),
    reportWorkerFigures: ({ figures }) => view.workers.applyFigures(figures),
    reportActorFigures: ({ figures }) => view.applyActorFigures(figures),
    workerExited: (params) => {
      const answered = ask<Record<string, never>>((requestId) => ({
        type: "workerExited",
        requestId,
        ...params,
        nodeId,
      }));
      view.processDied(params.workerId, String(params.cause.message));
      return answered;
    },
  };
}

function objectHandlers({ effects, gcs }: HeadServices, peer: HeadPeer): Handlers<HeadMethods> {
  const { number: connection } = peer;
  const nodeId = peer.hello.id as NodeId;
  const ask = <R>(event: (requestId: string) => GcsEvent) => effects.ask(connection, event) as Promise<R>;
  return {
    reportObjects: ({ added, removed }) =>
      ask((requestId) => ({ type: "objectsReported", requestId, nodeId, added, removed })),
    locateObject: ({ requestId: waitId, ...params }) =>
      ask((requestId) => ({ ...params, type: "locateObject", requestId, nodeId, waitId })),
    cancelLocate: ({ requestId: waitId }) => effects.step({ type: "cancelLocate", nodeId, waitId }),
    objectsMadeAt: ({ at, ids }) => {
      effects.step({ type: "objectsMadeAt", at, ids });
      return OK;
    },
    placeObjects: ({ objects }) => {
      const targets = gcs.nodes.rows()
        .filter(({ nodeId: id, state, drain }) => id !== nodeId && state === "ALIVE" && drain === undefined)
        .map((row) => ({ nodeId: row.nodeId, freeBytes: row.objectStoreBytes - row.storeUsedBytes }));
      const known = objects.map(({ id, bytes }) => ({
        id,
        bytes,
        holders: gcs.objects.get(id)?.holders ?? new Set<NodeId>(),
      }));
      return { targets: planOffload(known, nodeId, targets) };
    },
    freeObjects: ({ ids }) => ask((requestId) => ({ type: "freeObjects", requestId, ids })),
  };
}

function actorHandlers(
  { gcs, effects, actorBytes, store }: HeadServices,
  peer: HeadPeer,
): Handlers<HeadMethods> {
  const { number: connection } = peer;
  const nodeId = peer.hello.id as NodeId;
  const ask = <R>(event: (requestId: string) => GcsEvent) => effects.ask(connection, event) as Promise<R>;
  return {
    createActor: ({ spec, getIfExists }, sections) => {
      refuseWhenFull(store);
      actorBytes.offer(spec.actorId, sections[0] ?? NOTHING);
      const answered = ask<HeadMethods["createActor"]["result"]>((requestId) => ({
        type: "createActor",
        requestId,
        spec,
        getIfExists,
      }));
      if (gcs.actors.record(spec.actorId) === null) actorBytes.withdraw(spec.actorId);
      return answered;
    },
    getActor: ({ name, namespace }) => ask((requestId) => ({ type: "getActor", requestId, name, namespace })),
    watchActor: ({ actorId, owner }) => effects.step({ type: "watchActor", nodeId, actorId, owner }),
    killActor: ({ actorId, noRestart, incarnation }) =>
      ask((requestId) => ({ type: "killActor", requestId, actorId, noRestart, incarnation })),
    actorIncarnation: ({ actorId }) => ({
      incarnation: gcs.actors.record(actorId)?.status.incarnation ?? 0,
    }),
    reviveActor: (params) => ask((requestId) => ({ type: "reviveActor", requestId, nodeId, ...params })),
    actorLineage: (params) => ask((requestId) => ({ type: "actorLineage", requestId, nodeId, ...params })),
    actorStarted: (params, sections) => {
      const error = params.failed ? sections[0] : undefined;
      if (error !== undefined) actorBytes.failed(params.actorId, error);
      return ask((requestId) => ({
        type: "actorStarted",
        requestId,
        ...params,
        nodeId,
        hasErrorValue: error !== undefined,
      }));
    },
  };
}

function tableHandlers({ functions, kv, store }: HeadServices): Handlers<HeadMethods> {
  return {
    exportFunction: async ({ hash, kind, name }, sections) => {
      refuseWhenFull(store);
      await functions.export(hash, kind, name, sections);
      return OK;
    },
    fetchFunction: async ({ hash }) => {
      const { kind, name, sections } = await functions.fetch(hash);
      return new Reply({ kind, name }, sections);
    },
    kvPut: async ({ key, overwrite }, sections) => {
      refuseWhenFull(store);
      return { existed: await kv.put(key, sections[0] ?? NOTHING, overwrite) };
    },
    kvGet: async ({ key }) => {
      const value = await kv.get(key);
      return new Reply({ found: value !== null }, value === null ? [] : [value]);
    },
    kvDelete: async ({ key }) => {
      refuseWhenFull(store);
      return { existed: await kv.delete(key) };
    },
    kvList: async ({ prefix }) => ({ keys: await kv.list(String(prefix)) }),
  };
}

function peopleHandlers(services: HeadServices): Handlers<HeadMethods> {
  const { gcs, effects, history, info, store, nowMs } = services;
  return {
    drainNode: (params) => {
      checkDrain(params);
      const { nodeId, deadlineMs, reason, ifIdle } = params;
      const event = { nodeId, deadlineMs, reason, ifIdle: ifIdle === true };
      return effects.ask(null, (requestId) => ({ type: "drainNode", requestId, ...event })) as Promise<
        HeadMethods["drainNode"]["result"]
      >;
    },
    taskEvents: ({ batches }) => {
      history.take(batches);
      return OK;
    },
    nodes: () => ({ nodes: gcs.nodes.rows() }),
    trace: async ({ taskId }) => ({ steps: await history.trace(taskId) }),
    clusterInfo: () => ({
      clusterId: info.clusterId,
      address: info.address(),
      dashboardUrl: info.dashboardUrl(),
      store: store.url,
      storeWaiting: store.waitingFor,
      historyDropped: store.counts.historyDropped,
      nodes: gcs.nodes.rows(),
      demand: pendingDemand(gcs),
      sessionDir: info.sessionDir,
    }),
    storedAmong: ({ ids }) => ({ stored: ids.filter((id) => gcs.objects.get(id) !== null) }),
    ...stateHandlers(services),
    timeline: async ({ job, after }) => {
      const { traceEvents, next } = await services.view.telemetry.ask("timeline/export", { job, after });
      return { traceEvents: traceEvents as unknown as Record<string, unknown>[], next };
    },
    memory: (params) => memoryReport(services, params, nowMs()),
    why: async ({ id }) => ({ sentence: await new Why(services, nowMs).explain(String(id)) }),
    searchLogs: ({ query }) => services.logs.search({ ...ANY_LINE, ...query }),
    dashboardLink: ({ viewer }) => ({
      url: info.dashboardLink(viewer === true ? "viewer" : "full"),
      viewerToken: info.viewerToken(),
    }),
  };
}

/** What only the cluster's owner may ask, by the command line. */
function ownerHandlers({ stop, console, records }: HeadServices): Handlers<HeadMethods> {
  return {
    jobRecord: ({ jobId }) => records.bytes(String(jobId)),
    sql: ({ sql, limit }) => console.ask("sql", { sql: String(sql), limit: Number(limit) }),
    stopCluster: ({ reason }) => {
      // After the answer has left.
      setImmediate(() => stop(reason));
      return OK;
    },
  };
}

/**
 * What waits at the nodes and here, a row for each name and shape. A request that an agent has handed over is counted by
 * both; the head's reason is the better one, the agents' sum the better count (it knows the tasks behind a request).
 */
function pendingDemand(gcs: Gcs): DemandRow[] {
  const rows = new Map<string, DemandRow>();
  const keyOf = (row: DemandRow) => JSON.stringify([row.name, Object.entries(row.resources).sort()]);
  for (const nodeId of gcs.nodes.members()) {
    for (const row of gcs.nodes.heartbeat(nodeId)?.demand ?? []) {
      const known = rows.get(keyOf(row));
      rows.set(keyOf(row), known === undefined ? row : { ...known, count: known.count + row.count });
    }
  }
  for (const row of [...gcs.scheduler.demand(), ...gcs.groups.demand()]) {
    const known = rows.get(keyOf(row));
    rows.set(keyOf(row), { ...row, count: Math.max(row.count, known?.count ?? 0) });
  }
  return [...rows.values()];
}

function refuseWhenFull(store: GcsStore): void {
  const refusal = store.refusal;
  if (refusal !== null) throw new MobulaError(refusal.message, { code: refusal.code });
}
