/**
 * The head's machines with simulated nodes, in memory and in simulated time: the real GCS (node, actor and placement group
 * managers, object directory, global scheduler) without connections and without a store. Nodes have 16 CPUs, half of which a
 * batch of events takes; then it is given back, and told in heartbeats, before the next one. A batch is as large for few
 * nodes as for many, so that what differs is the number of nodes and not how much lives at once.
 * @module
 */
import process from "node:process";
import { HEARTBEAT_INTERVAL_MS } from "../../runtime/common/config.ts";
import type { ActorId, GroupId, JobId, NodeId, ProcessId, TaskId } from "../../runtime/common/ids.ts";
import { type ResourceSet, toUnits } from "../../runtime/common/resources.ts";
import { Gcs } from "../../runtime/core/gcs/gcs.ts";
import type { GcsEffect, GcsEvent } from "../../runtime/core/gcs/gcs_events.ts";
import type { BundleWord } from "../../runtime/protocol/group_messages.ts";
import type { Cost } from "./meter.ts";

/** What is measured, each with what belongs to it: see SimulatedHead. */
export const HEAD_EVENTS = ["heartbeat", "lease", "actor", "actorEnd", "group", "groupEnd"] as const;
export type HeadEvent = (typeof HEAD_EVENTS)[number];

/** Leases, actors or bundles of a batch. */
const BATCH = 8_000;
const NODE_CPUS = 16;
const NODE_RESOURCES = toUnits({ CPU: NODE_CPUS, memory: 64e9 });
const JOB = "j-bench" as JobId;
const DRIVER = "d-bench" as ProcessId;
const BUNDLES_PER_GROUP = 4;

/** See the module's header. */
export class SimulatedHead {
  readonly #gcs: Gcs = new Gcs(0);
  readonly #nodes: readonly NodeId[];
  /** Of one lease, actor or bundle. */
  readonly #share: ResourceSet;
  #nowMs: number = 0;
  #heartbeats: number = 0;
  #count: number = 0;

  constructor(nodes: number) {
    this.#nodes = Array.from(
      { length: nodes },
      (_, index) => `n-${index.toString(16).padStart(16, "0")}` as NodeId,
    );
    this.#share = toUnits({ CPU: NODE_CPUS / 2 * nodes / BATCH });
    this.#nodes.forEach((nodeId, connection) => this.#register(nodeId, connection));
    this.#step({
      type: "addJob",
      requestId: "job",
      newJobId: JOB,
      driverId: DRIVER,
      nodeId: this.#nodes[0]!,
      namespace: "bench",
      entrypoint: "bench.ts",
      pid: 1,
      runtime: "bun",
    });
    this.#settle();
  }

  /** The cost of at least `operations` of one kind; what else keeps the cluster where it was is not in it. */
  measure(event: HeadEvent, operations: number): Cost {
    const isGroup = event === "group" || event === "groupEnd";
    const batch = isGroup ? BATCH / BUNDLES_PER_GROUP : BATCH;
    const meter = new Meter();
    for (; meter.operations < operations; meter.operations += batch) {
      const ends: GcsEvent[] = [];
      const begin = (): void => this.#begin(event, batch, ends);
      const end = (): void => ends.forEach((each) => this.#step(each));
      const isEnd = event === "actorEnd" || event === "groupEnd";
      if (isEnd) begin();
      meter.time(isEnd ? end : begin);
      if (!isEnd) end();
      this.#settle();
    }
    return meter.cost();
  }

  /** `ends`: filled with what takes it back. */
  #begin(event: HeadEvent, count: number, ends: GcsEvent[]): void {
    for (let index = 0; index < count; index++) {
      if (event === "heartbeat") this.#heartbeat();
      else if (event === "lease") this.#lease();
      else if (event === "actor" || event === "actorEnd") ends.push(this.#actor());
      else ends.push(this.#group());
    }
  }

  /** Every node says that it is idle. */
  #settle(): void {
    for (let index = 0; index < this.#nodes.length; index++) this.#heartbeat();
  }

  /** One node's heartbeat, with the head's own look at all nodes each time that the round begins anew. */
  #heartbeat(): void {
    const nodes = this.#nodes;
    const index = this.#heartbeats++ % nodes.length;
    this.#nowMs += HEARTBEAT_INTERVAL_MS / nodes.length;
    if (index === 0) this.#step({ type: "tick" });
    this.#step({
      type: "heartbeatReceived",
      heartbeat: {
        nodeId: nodes[index]!,
        epoch: 1,
        sequence: this.#heartbeats,
        available: NODE_RESOURCES,
        demand: [],
        storeUsedBytes: 0,
        storeObjects: 0,
        storeSpilledBytes: 0,
        workers: 1,
        cpuPercent: 0,
        rssBytes: 0,
        queueLength: 0,
        queueWaitMs: 0,
        bandwidth: {},
      },
    });
  }

  /** A lease request that a node could not or should not grant: where it goes. */
  #lease(): void {
    const number = ++this.#count;
    const effects = this.#step({
      type: "pickNode",
      requestId: `p${number}`,
      nodeId: this.#nodes[number % this.#nodes.length]!,
      request: {
        requestId: `r${number}`,
        kind: "task",
        jobId: JOB,
        submitter: DRIVER,
        submitterNode: this.#nodes[0]!,
        taskId: `t-bench-${number}` as TaskId,
        name: "work",
        classKey: "cpu1",
        resources: this.#share,
        strategy: { type: "hybrid" },
        runtimeEnv: { hash: "" },
        args: [],
        backlog: 1,
        depth: 0,
      },
      exclude: [],
    });
    expect(effects, "reply");
  }

  /** An actor from its creation to its node's word that it has started. */
  #actor(): GcsEvent {
    const actorId = `a-${++this.#count}` as ActorId;
    const workerId = `w-${this.#count}` as ProcessId;
    const start = this.#step({
      type: "createActor",
      requestId: `c ${actorId}`,
      getIfExists: false,
      spec: {
        actorId,
        jobId: JOB,
        owner: DRIVER,
        ownerNode: this.#nodes[0]!,
        className: "Cell",
        classHash: "h",
        name: "",
        namespace: "bench",
        detached: false,
        maxRestarts: 0,
        maxTaskRetries: 0,
        maxConcurrency: 1,
        maxPendingCalls: -1,
        resources: {},
        placementResources: this.#share,
        strategy: { type: "hybrid" },
        runtimeEnv: { hash: "" },
        args: [],
        methods: {},
      },
    }).find((effect) => effect.type === "send" && effect.method === "startActor");
    if (start?.type !== "send") throw new Error(`${actorId} was not placed`);
    this.#step({
      type: "actorStarted",
      requestId: `s ${actorId}`,
      actorId,
      incarnation: 1,
      nodeId: start.nodeId,
      workerId,
      socketPath: "s",
      pid: 1,
      failed: false,
      message: "",
      hasErrorValue: false,
    });
    const cause = { code: "EXITED" as const, message: "it ended" };
    const { nodeId } = start;
    const exited = { nodeId, workerId, jobId: JOB, actorId, incarnation: 1, intended: true, cause };
    return { type: "workerExited", requestId: `x ${actorId}`, ...exited };
  }

  /** A placement group of four bundles, from its creation until all nodes have reserved them. */
  #group(): GcsEvent {
    const groupId = `g-${++this.#count}` as GroupId;
    let effects: readonly GcsEffect[] = this.#step({
      type: "groupWishes",
      requestId: `c ${groupId}`,
      wishes: [{
        type: "createGroup",
        spec: {
          groupId,
          jobId: JOB,
          owner: DRIVER,
          ownerNode: this.#nodes[0]!,
          name: "",
          namespace: "bench",
          detached: false,
          byDetachedActor: false,
          strategy: "SPREAD",
          bundles: Array.from({ length: BUNDLES_PER_GROUP }, () => this.#share),
        },
      }],
    });
    // On one node they count as soon as they are reserved: nothing is left to commit.
    for (let asked = true; asked;) {
      asked = false;
      effects = effects.flatMap((effect) => {
        if (effect.type !== "send" || effect.method !== "bundleOrders") return [];
        asked = true;
        const words = effect.params.orders.map((order): BundleWord => {
          if (order.type === "bundlesRelease") throw new Error(`${groupId} was given back`);
          const { attempt } = order;
          return order.type === "bundlesCommit"
            ? { type: "bundlesCommitted", groupId, attempt }
            : { type: "bundlesPrepared", groupId, attempt, problem: null };
        });
        const { nodeId } = effect;
        return this.#step({ type: "bundlesTold", requestId: `b ${groupId}`, nodeId, words });
      });
    }
    if (this.#gcs.groups.record(groupId)?.state !== "CREATED") throw new Error(`${groupId} is not created`);
    return {
      type: "groupWishes",
      requestId: `r ${groupId}`,
      wishes: [{ type: "removeGroup", groupId }],
    };
  }

  #register(nodeId: NodeId, connection: number): void {
    this.#step({
      type: "registerNode",
      requestId: `reg ${nodeId}`,
      connection,
      registration: {
        nodeId,
        epoch: 1,
        address: "127.0.0.1:1",
        hostname: "host",
        pid: 10,
        runtime: "bun",
        sessionDir: "",
        isHeadNode: connection === 0,
        resources: NODE_RESOURCES,
        labels: {},
        objectStoreBytes: 1e9,
        objects: [],
        actors: [],
        drivers: [],
      },
    });
  }

  #step(event: GcsEvent): readonly GcsEffect[] {
    return this.#gcs.step(this.#nowMs, event);
  }
}

/** Adds up what pieces of work take. They are synchronous, so this process's time is all there is. */
class Meter {
  operations: number = 0;
  #wallUs: number = 0;
  #cpuUs: number = 0;

  time(work: () => void): void {
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    work();
    this.#wallUs += (performance.now() - startMs) * 1_000;
    const { user, system } = process.cpuUsage(cpu);
    this.#cpuUs += user + system;
  }

  cost(): Cost {
    return { wallUs: this.#wallUs / this.operations, cpuUs: this.#cpuUs / this.operations };
  }
}

function expect(effects: readonly GcsEffect[], type: GcsEffect["type"]): void {
  if (!effects.some((effect) => effect.type === type)) {
    throw new Error(`expected ${type}, got ${JSON.stringify(effects)}`);
  }
}
