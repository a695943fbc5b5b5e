/**
 * Does what the GCS's machines say: queues writes, answers requests, sends to nodes, and keeps the picture for people in
 * step. It decides nothing.
 * @module
 */
import { packArguments } from "../common/actor_batches.ts";
import { errorOfCode } from "../common/errors.ts";
import type { ActorId, NodeId } from "../common/ids.ts";
import type { ActorRecord } from "../core/actor/actor_events.ts";
import type { Gcs } from "../core/gcs/gcs.ts";
import type { GcsEffect, GcsEvent } from "../core/gcs/gcs_events.ts";
import type { NodeRecord } from "../core/gcs/node_manager.ts";
import type { GcsStore } from "../io/storage/store_client.ts";
import type { ClusterView } from "../io/telemetry/cluster_view.ts";
import type { ActorEvents } from "./head_actor_events.ts";
import type { ActorBytes } from "./head_actors.ts";
import { dropCheckpoint } from "./head_checkpoints.ts";
import type { KeyValueTable } from "./head_kv.ts";
import { groupRow } from "./head_groups.ts";
import type { HeadNodes } from "./head_nodes.ts";
import { actorRow, jobRow, nodeRow, objectRows } from "./head_records.ts";

type Of<T extends GcsEffect["type"]> = Extract<GcsEffect, { type: T }>;

/** Object rows are only a help for a restart: while the store is away and this much waits, they are left out. */
const OBJECT_WRITES_QUEUED_MAX = 50_000;

/** A request that waits for the GCS's answer. */
interface OpenRequest {
  /** The connection that it came by; null for one of the head's own. */
  readonly connection: number | null;
  readonly resolve: (outcome: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface HeadEffectsOptions {
  readonly gcs: Gcs;
  readonly store: GcsStore;
  readonly view: ClusterView;
  readonly nodes: HeadNodes;
  readonly actorBytes: ActorBytes;
  readonly actorEvents: ActorEvents;
  readonly kv: KeyValueTable;
  /** What else must hear of nodes, as it happens. */
  readonly onNode: {
    readonly connected: (nodeId: NodeId) => void;
    readonly changed: (record: NodeRecord) => void;
  };
  /** Milliseconds since the epoch that never step back. */
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
  /** Where the page is, for the answer to a registration. */
  readonly dashboardUrl: () => string | null;
}

export class HeadEffects {
  readonly #options: HeadEffectsOptions;
  readonly #open: Map<string, OpenRequest> = new Map();
  readonly #timers: Set<ReturnType<typeof setTimeout>> = new Set();
  #nextRequest = 1;
  /** Heartbeats came: the picture of the nodes is made new at the next tick, however many there were. */
  #heartbeatsCame = false;
  /** Members or their states changed: the picture is made new at the end of the step. */
  #nodesChanged = true;

  constructor(options: HeadEffectsOptions) {
    this.#options = options;
  }

  /** Requests that the GCS has not answered. */
  get openRequests(): number {
    return this.#open.size;
  }

  /** One event through the machines, and all that follows. */
  step(event: GcsEvent): void {
    const { gcs, nowMs } = this.#options;
    if (event.type === "heartbeatReceived") this.#heartbeatsCame = true;
    for (const effect of gcs.step(nowMs(), event)) this.#do(effect);
    if (this.#nodesChanged || (event.type === "tick" && this.#heartbeatsCame)) {
      this.#nodesChanged = this.#heartbeatsCame = false;
      this.#options.view.applyNodes(gcs.nodes.rows());
    }
  }

  /**
   * A request whose answer is an effect: `event` gets the head's name for it. The promise is answered in the order of the
   * connection's other messages.
   */
  ask(connection: number | null, event: (requestId: string) => GcsEvent): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const requestId = `r${this.#nextRequest++}`;
      this.#open.set(requestId, { connection, resolve, reject });
      this.step(event(requestId));
    });
  }

  /** The connection is over: nobody can be answered any more. Machines that keep a request replace it when it is resent. */
  forget(connection: number): void {
    for (const [requestId, open] of this.#open) {
      if (open.connection === connection) this.#open.delete(requestId);
    }
  }

  #do(effect: GcsEffect): void {
    const { store, nodes, view } = this.#options;
    switch (effect.type) {
      case "persistNode":
        store.write({ table: "nodes", put: nodeRow(effect.record) });
        this.#nodesChanged = true;
        return this.#options.onNode.changed(effect.record);
      case "forgetNode":
        return store.write({ table: "nodes", remove: [effect.nodeId] });
      case "nodeConnected":
        nodes.connect(effect.nodeId, effect.connection);
        return this.#options.onNode.connected(effect.nodeId);
      case "closeConnection":
        return nodes.close(effect.connection, effect.reason, effect.fenced);
      case "persistJob":
        store.write({ table: "jobs", put: jobRow(effect.job) });
        view.applyJob(effect.job);
        if (effect.job.state !== "RUNNING") view.processDied(effect.job.driverId);
        return;
      case "forgetJob":
        return store.write({ table: "jobs", remove: [effect.jobId] });
      case "persistActor":
        return this.#persistActor(effect.record);
      case "persistName":
        return this.#persistName(effect);
      case "forgetActor":
        return this.#forgetActor(effect.actorId);
      case "persistGroup":
        store.write({ table: "placementGroups", put: groupRow(effect.record) });
        return view.placementGroups.apply(effect.record);
      case "forgetGroup":
        view.placementGroups.forget(effect.groupId);
        return store.write({ table: "placementGroups", remove: [effect.groupId] });
      case "setTimer":
        return this.#setTimer(effect.atMs);
      case "persistObjects":
        return this.#persistObjects(effect);
      case "objectLost":
        if (!effect.dropped) view.objects.lost(effect.id, effect.reason, this.#options.nowMs());
        return this.#options.log(`object ${effect.id} of ${effect.owner} is lost: ${effect.reason}`);
      case "reply":
      case "replyError":
        return this.#answer(effect);
      case "send":
        return this.#send(effect);
      default:
        effect satisfies never;
    }
  }

  /** Several may stand: the machine takes one that comes early for what it is. */
  #setTimer(atMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.step({ type: "timer" });
      // One millisecond late rather than early: an early one would only be set again.
    }, Math.max(0, atMs - this.#options.nowMs()) + 1);
    this.#timers.add(timer);
  }

  /** No more timers: the head ends. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #persistActor(record: ActorRecord): void {
    const { store, view, actorBytes, actorEvents, kv } = this.#options;
    if (record.status.state === "DEAD") dropCheckpoint(kv, record.spec.actorId);
    // The spec first: should the head die between two batches, no actor is without one.
    actorBytes.persist(record, store);
    store.write({ table: "actors", put: actorRow(record) });
    const { actorId } = record.spec;
    if (!view.applyActor(record.status, record.spec, record)) return;
    actorEvents.changed(actorId, view.actors.history.of(record.status, record).events);
  }

  #persistName({ namespace, name, actorId }: Of<"persistName">): void {
    this.#options.store.write(
      actorId === null
        ? { table: "names", remove: [namespace, name] }
        : { table: "names", put: { namespace, name, actorId } },
    );
  }

  #forgetActor(actorId: ActorId): void {
    const { store, actorBytes, actorEvents } = this.#options;
    actorEvents.forget(actorId);
    store.write({ table: "actors", remove: [actorId] });
    actorBytes.forget(actorId, store);
  }

  #persistObjects({ added, removed, ended }: Of<"persistObjects">): void {
    const { store, view } = this.#options;
    for (const { nodeId, object } of added) view.applyObjects(nodeId, [object], []);
    for (const { nodeId, id } of removed) view.applyObjects(nodeId, [], [id]);
    // After a restart the nodes report all that they hold: a row that is missing or stale harms nobody.
    if (store.counts.queued > OBJECT_WRITES_QUEUED_MAX) return;
    for (const { nodeId, object } of added) {
      const [row, location] = objectRows(nodeId, object);
      store.write({ table: "objects", put: row });
      store.write({ table: "objectLocations", put: location });
    }
    for (const { nodeId, id } of removed) store.write({ table: "objectLocations", remove: [id, nodeId] });
    for (const id of ended) {
      store.write({ table: "objects", remove: [id] });
      store.write({ table: "objectLocations", remove: [id] });
    }
  }

  #answer(effect: Of<"reply" | "replyError">): void {
    const open = this.#open.get(effect.requestId);
    // The connection that asked is gone; the agent asks again by its next one.
    if (open === undefined) return;
    this.#open.delete(effect.requestId);
    const settle = () => {
      if (effect.type === "replyError") open.reject(errorOfCode(effect.code, effect.message));
      else open.resolve(this.#result(effect.result));
    };
    if (!effect.afterCommit) return settle();
    const gate = open.connection === null ? null : this.#options.nodes.gate(open.connection);
    if (gate !== null) return gate.pass(true, settle, true);
    this.#options.store.committed().then(settle, open.reject);
  }

  /** A registration's answer says where the page is, which is none of the GCS's business. */
  #result(result: Readonly<Record<string, unknown>>): unknown {
    if ("endedJobs" in result) return { ...result, dashboardUrl: this.#options.dashboardUrl() };
    return result;
  }

  #send(effect: Of<"send">): void {
    const { nodes, actorBytes } = this.#options;
    if (effect.method === "nodesChanged") this.#nodesChanged = true;
    if (effect.method === "startActor") {
      return nodes.send(effect, [actorBytes.argumentsOf(effect.params.spec.actorId)]);
    }
    if (effect.method === "startActors") {
      const blocks = effect.params.actorIds.map((actorId) => actorBytes.argumentsOf(actorId));
      const { argBytes, block } = packArguments(blocks);
      return nodes.send({ ...effect, params: { ...effect.params, argBytes } }, [block]);
    }
    if (effect.method === "actorStatus" && effect.params.status.hasErrorValue === true) {
      const error = actorBytes.errorOf(effect.params.status.actorId);
      return nodes.send(effect, error === null ? [] : [error]);
    }
    nodes.send(effect, []);
  }
}
