/**
 * The node manager: which nodes are members of the cluster, and which incarnation (epoch) of each.
 *
 * It owns: membership, liveness by heartbeats and connection, fencing, each node's last report. It does not own what runs
 * or lies on a node (the other machines hear of a death), nor connections (it knows them by the head's numbers).
 *
 *              1
 *   (unknown) ---> ALIVE <--2--> SUSPECT
 *                    |              |
 *                    +------3-------+---> DEAD --1--> ALIVE (only with a higher epoch)
 *
 *   1 registered.
 *   2 Silent for NODE_SUSPECT_AFTER_MS or its control connection closed; back by a heartbeat or by registering again. A
 *     suspect gets no new work and loses nothing.
 *   3 Silent for NODE_DEAD_AFTER_MS; or not back NODE_RECONNECT_MS after its connection closed while no heartbeat came
 *     either (process gone); or left; or came back as a higher epoch. The epoch is fenced: it never comes back.
 *
 * A member that is told to drain stays ALIVE (or SUSPECT) and gets no new work; it leaves by itself when it is idle, or at
 * its deadline. The order is persisted and given again to a node that comes back; an end that comes before is none of a drain.
 *
 * A head that itself stood still must not declare others dead: a tick that comes late gives all of them the time that the
 * head lost (Kubernetes learned this the hard way). After a head's restart the nodes of the store are suspects.
 * @module
 */
import { assert } from "../../common/assert.ts";
import {
  HEARTBEAT_INTERVAL_MS,
  NODE_DEAD_AFTER_MS,
  NODE_RECONNECT_MS,
  NODE_SUSPECT_AFTER_MS,
} from "../../common/config.ts";
import type { NodeId } from "../../common/ids.ts";
import type { Heartbeat, NodeDrain, NodeRegistration, NodeRow } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import { nodeRowOf } from "./node_row.ts";

/** Dead nodes that are remembered, to fence them and to show them (Ray: 1,000). */
export const DEAD_NODES_KEPT: number = 1_000;
/** Members at most; a registration above that is refused. */
export const NODES_MAX: number = 10_000;
/** In a larger cluster the list goes out once a tick, else a thousand nodes that join are a million lists. */
export const NODES_TOLD_AT_ONCE: number = 32;

/** What a node says of itself, without what it holds. */
export type NodeFacts = Omit<NodeRegistration, "objects" | "actors" | "drivers" | "bundles">;

/** A node as it is persisted. */
export interface NodeRecord {
  readonly facts: NodeFacts;
  readonly state: NodeRow["state"];
  readonly stateMessage: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
  /** Null: it is not drained. */
  readonly drain: NodeDrain | null;
}

export type NodeEvent =
  /** `connection`: the head's own number of the control connection that it came by. */
  | {
    readonly type: "registerNode";
    readonly requestId: string;
    readonly connection: number;
    readonly registration: NodeRegistration;
  }
  | { readonly type: "heartbeatReceived"; readonly heartbeat: Heartbeat }
  | { readonly type: "connectionClosed"; readonly connection: number }
  /** A clean leave. */
  | {
    readonly type: "unregisterNode";
    readonly nodeId: NodeId;
    readonly epoch: number;
    readonly reason: string;
  }
  /** It takes no new work and leaves after `deadlineMs` milliseconds at the latest. `busy`: why it may not, or null: then it
   *  is refused. Repeating it sets the new deadline. */
  | {
    readonly type: "drainNode";
    readonly requestId: string;
    readonly nodeId: NodeId;
    readonly deadlineMs: number;
    readonly reason: string;
    readonly busy: string | null;
  }
  /** Every HEARTBEAT_INTERVAL_MS. */
  | { readonly type: "tick" };

export type NodeEffect =
  | { readonly type: "persistNode"; readonly record: NodeRecord }
  /** A member that was dropped from memory and store to keep the list of dead ones bounded. */
  | { readonly type: "forgetNode"; readonly nodeId: NodeId }
  | {
    readonly type: "nodeAccepted";
    readonly requestId: string;
    readonly connection: number;
    readonly registration: NodeRegistration;
    /** The same incarnation was a member before: its connection broke, or the head restarted. */
    readonly rejoined: boolean;
  }
  | {
    readonly type: "nodeRefused";
    readonly requestId: string;
    readonly connection: number;
    readonly code: string;
    readonly message: string;
  }
  | { readonly type: "heartbeatAccepted"; readonly heartbeat: Heartbeat }
  /** The node became a suspect, or ceased to be one. */
  | { readonly type: "nodeStateChanged"; readonly nodeId: NodeId; readonly state: "ALIVE" | "SUSPECT" }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly epoch: number; readonly reason: string }
  /** Tell it, and give it no more work. `remainingMs`: until its deadline, now. */
  | {
    readonly type: "nodeDraining";
    readonly nodeId: NodeId;
    readonly remainingMs: number;
    readonly reason: string;
  }
  | {
    readonly type: "drainAnswered";
    readonly requestId: string;
    readonly accepted: boolean;
    readonly message: string;
  }
  /** The node can never be drained. */
  | {
    readonly type: "drainRefused";
    readonly requestId: string;
    readonly code: string;
    readonly message: string;
  }
  /** End this connection. `fenced`: what is behind it is dead to the cluster and is told to shut down first; otherwise the
   *  same agent has another connection by now. */
  | {
    readonly type: "closeConnection";
    readonly connection: number;
    readonly fenced: boolean;
    readonly reason: string;
  }
  /** Members or states changed: every agent gets the list. */
  | { readonly type: "publishNodes" };

interface NodeEntry {
  facts: NodeFacts;
  state: NodeRow["state"];
  stateMessage: string;
  startedMs: number;
  endedMs: number | null;
  drain: NodeDrain | null;
  connection: number | null;
  /** When the last sign of life came; moved forward by the time that the head itself stood still. */
  heardMs: number;
  /** When the control connection closed; null while it is open. */
  closedMs: number | null;
  heartbeat: Heartbeat | null;
}

export class NodeManager implements Core<NodeEvent, NodeEffect> {
  /** All members and the newest dead ones, in order of registration. */
  readonly #nodes: Map<NodeId, NodeEntry> = new Map();
  /** Open control connections of members. */
  readonly #byConnection: Map<number, NodeId> = new Map();
  /** All and only dead entries, oldest first. */
  readonly #dead: Set<NodeId> = new Set();
  #lastTickMs: number | null = null;
  /** Members or states changed since the list was published. */
  #isOld: boolean = false;

  readonly #reconnectMs: number;

  /** `restored`: the store's nodes after a restart of the head; the living ones have NODE_DEAD_AFTER_MS to come back. */
  constructor(
    nowMs: number = 0,
    restored: readonly NodeRecord[] = [],
    reconnectMs: number = NODE_RECONNECT_MS,
  ) {
    this.#reconnectMs = reconnectMs;
    for (const record of restored) {
      const alive = record.state !== "DEAD";
      this.#nodes.set(record.facts.nodeId, {
        ...record,
        state: alive ? "SUSPECT" : "DEAD",
        stateMessage: alive ? "expected back after the head restarted" : record.stateMessage,
        connection: null,
        heardMs: nowMs,
        closedMs: null,
        heartbeat: null,
      });
      if (!alive) this.#dead.add(record.facts.nodeId);
    }
  }

  step(nowMs: number, event: NodeEvent): readonly NodeEffect[] {
    const out: NodeEffect[] = [];
    switch (event.type) {
      case "registerNode":
        this.#register(nowMs, event, out);
        break;
      case "heartbeatReceived":
        this.#heartbeat(nowMs, event.heartbeat, out);
        break;
      case "connectionClosed":
        this.#closed(nowMs, event.connection, out);
        break;
      case "unregisterNode": {
        const node = this.#nodes.get(event.nodeId);
        // Resent, or of an incarnation that is gone: nothing to do.
        if (node === undefined || node.state === "DEAD" || node.facts.epoch !== event.epoch) break;
        this.#die(nowMs, node, event.reason, out);
        this.#publish(out);
        break;
      }
      case "drainNode":
        this.#drain(nowMs, event, out);
        break;
      case "tick":
        this.#tick(nowMs, out);
        break;
      default:
        event satisfies never;
    }
    return out;
  }

  /** The state of a node, or null for one that is not known. */
  state(nodeId: NodeId): NodeRow["state"] | null {
    return this.#nodes.get(nodeId)?.state ?? null;
  }

  /** Whether this incarnation may speak: it is a member. */
  isMember(nodeId: NodeId, epoch: number): boolean {
    const node = this.#nodes.get(nodeId);
    return node !== undefined && node.state !== "DEAD" && node.facts.epoch === epoch;
  }

  /** The drain of a member, or null. */
  drainOf(nodeId: NodeId): NodeDrain | null {
    return this.#nodes.get(nodeId)?.drain ?? null;
  }

  /** The open control connection of a member, or null. */
  connectionOf(nodeId: NodeId): number | null {
    return this.#nodes.get(nodeId)?.connection ?? null;
  }

  facts(nodeId: NodeId): NodeFacts | null {
    return this.#nodes.get(nodeId)?.facts ?? null;
  }

  heartbeat(nodeId: NodeId): Heartbeat | null {
    return this.#nodes.get(nodeId)?.heartbeat ?? null;
  }

  /** Members, in order of registration. */
  members(): NodeId[] {
    return [...this.#nodes.values()].filter((node) => node.state !== "DEAD").map((node) => node.facts.nodeId);
  }

  /** Rows for agents and people: all members and the dead ones that are remembered. */
  rows(): NodeRow[] {
    return [...this.#nodes.values()].map(nodeRowOf);
  }

  check(): void {
    for (const [id, node] of this.#nodes) {
      assert(node.facts.nodeId === id, `${id} is filed under its own id`);
      assert((node.state === "DEAD") === this.#dead.has(id), `${id} is in the list of the dead if it is`);
      assert((node.state === "DEAD") === (node.endedMs !== null), `${id} has an end if it is dead`);
      assert(node.state !== "DEAD" || node.connection === null, `dead ${id} has no connection`);
      assert(node.state !== "ALIVE" || node.connection !== null, `living ${id} has a connection`);
      if (node.connection !== null) {
        assert(this.#byConnection.get(node.connection) === id, `${id} is found by its connection`);
      }
    }
    for (const [connection, id] of this.#byConnection) {
      assert(this.#nodes.get(id)?.connection === connection, `connection ${connection} is ${id}'s`);
    }
    assert(this.#dead.size <= DEAD_NODES_KEPT, "the list of the dead is bounded");
  }

  #register(nowMs: number, event: Extract<NodeEvent, { type: "registerNode" }>, out: NodeEffect[]): void {
    const { registration, connection, requestId } = event;
    const { nodeId, epoch } = registration;
    const known = this.#nodes.get(nodeId);
    const refusal = this.#refusal(known, registration);
    if (refusal !== null) {
      out.push({ type: "nodeRefused", requestId, connection, ...refusal });
      return;
    }
    const rejoined = known !== undefined && known.state !== "DEAD" && known.facts.epoch === epoch;
    if (known !== undefined && known.state !== "DEAD" && !rejoined) {
      this.#die(nowMs, known, `its agent restarted as epoch ${epoch}`, out);
    }
    if (rejoined && known.connection !== null && known.connection !== connection) {
      // The old connection is half open: its end has not reached us yet. Its late close must not count.
      this.#byConnection.delete(known.connection);
      out.push({
        type: "closeConnection",
        connection: known.connection,
        fenced: false,
        reason: "the agent connected again",
      });
    }
    const { objects: _objects, actors: _actors, drivers: _drivers, bundles: _bundles, ...facts } =
      registration;
    const entry: NodeEntry = {
      facts,
      state: "ALIVE",
      stateMessage: "",
      startedMs: rejoined ? known.startedMs : nowMs,
      endedMs: null,
      drain: rejoined ? known.drain : null,
      connection,
      heardMs: nowMs,
      closedMs: null,
      heartbeat: rejoined ? known.heartbeat : null,
    };
    this.#dead.delete(nodeId);
    this.#nodes.set(nodeId, entry);
    this.#byConnection.set(connection, nodeId);
    out.push({ type: "persistNode", record: recordOf(entry) });
    out.push({ type: "nodeAccepted", requestId, connection, registration, rejoined });
    // It may not have heard of it, or the head that told it is gone.
    if (entry.drain !== null) out.push(draining(nowMs, entry, entry.drain));
    this.#publish(out);
  }

  #refusal(
    known: NodeEntry | undefined,
    { nodeId, epoch }: NodeRegistration,
  ): { code: string; message: string } | null {
    if (known === undefined) {
      if (this.#nodes.size - this.#dead.size < NODES_MAX) return null;
      return {
        code: "NodeDiedError",
        message: `Cannot register ${nodeId}: the cluster has ${NODES_MAX} nodes`,
      };
    }
    const fenced = known.state === "DEAD" ? epoch <= known.facts.epoch : epoch < known.facts.epoch;
    if (!fenced) return null;
    const why = known.state === "DEAD"
      ? `it was declared dead: ${known.stateMessage}`
      : "a newer one is a member";
    return { code: "NodeDiedError", message: `Cannot register ${nodeId} as epoch ${epoch}: ${why}` };
  }

  #heartbeat(nowMs: number, heartbeat: Heartbeat, out: NodeEffect[]): void {
    const node = this.#nodes.get(heartbeat.nodeId);
    // Of an incarnation that is fenced, or that has not registered yet.
    if (node === undefined || node.state === "DEAD" || node.facts.epoch !== heartbeat.epoch) return;
    // Late or twice: an old heartbeat proves nothing about now.
    if (node.heartbeat !== null && heartbeat.sequence <= node.heartbeat.sequence) return;
    node.heartbeat = heartbeat;
    node.heardMs = nowMs;
    // A suspect without a control connection stays one: it can be given nothing.
    if (node.state === "SUSPECT" && node.connection !== null) {
      node.state = "ALIVE";
      node.stateMessage = "";
      out.push({ type: "nodeStateChanged", nodeId: heartbeat.nodeId, state: "ALIVE" });
      this.#publish(out);
    }
    out.push({ type: "heartbeatAccepted", heartbeat });
  }

  #closed(nowMs: number, connection: number, out: NodeEffect[]): void {
    const nodeId = this.#byConnection.get(connection);
    // Of a connection that was replaced or fenced before.
    if (nodeId === undefined) return;
    this.#byConnection.delete(connection);
    const node = this.#nodes.get(nodeId)!;
    node.connection = null;
    node.closedMs = nowMs;
    this.#suspect(node, "its connection closed", out);
    this.#publish(out);
  }

  #drain(nowMs: number, event: Extract<NodeEvent, { type: "drainNode" }>, out: NodeEffect[]): void {
    const { requestId, nodeId, deadlineMs, reason, busy } = event;
    const node = this.#nodes.get(nodeId);
    const answer = (accepted: boolean, message: string): void =>
      void out.push({ type: "drainAnswered", requestId, accepted, message });
    const refuse = (why: string): void =>
      void out.push({
        type: "drainRefused",
        requestId,
        code: "MobulaError",
        message: `Cannot drain ${nodeId}: ${why}`,
      });
    if (node === undefined) return refuse("no such node");
    // What is wanted is so already (Ray accepts it too).
    if (node.state === "DEAD") return answer(true, `${nodeId} is dead already: ${node.stateMessage}`);
    if (node.facts.isHeadNode) return refuse("the head runs there; stop the cluster instead");
    if (busy !== null) return answer(false, `Cannot drain ${nodeId} as an idle node: ${busy}`);
    node.drain = { reason, deadlineMs: nowMs + deadlineMs };
    out.push({ type: "persistNode", record: recordOf(node) });
    out.push(draining(nowMs, node, node.drain));
    this.#publish(out);
    answer(true, `${nodeId} is being drained: ${reason}`);
  }

  #publish(out: NodeEffect[]): void {
    if (this.#nodes.size - this.#dead.size > NODES_TOLD_AT_ONCE) this.#isOld = true;
    else out.push({ type: "publishNodes" });
  }

  #suspect(node: NodeEntry, message: string, out: NodeEffect[]): void {
    node.stateMessage = message;
    if (node.state === "SUSPECT") return;
    node.state = "SUSPECT";
    out.push({ type: "nodeStateChanged", nodeId: node.facts.nodeId, state: "SUSPECT" });
  }

  #tick(nowMs: number, out: NodeEffect[]): void {
    const lateMs = this.#lastTickMs === null ? 0 : nowMs - this.#lastTickMs - HEARTBEAT_INTERVAL_MS;
    this.#lastTickMs = nowMs;
    let changed = false;
    // Deaths only take out entries of the long dead meanwhile.
    for (const node of this.#nodes.values()) {
      if (node.state === "DEAD") continue;
      if (lateMs > HEARTBEAT_INTERVAL_MS) {
        node.heardMs = Math.min(nowMs, node.heardMs + lateMs);
        if (node.closedMs !== null) node.closedMs = Math.min(nowMs, node.closedMs + lateMs);
      }
      const death = deathReason(nowMs, node, this.#reconnectMs);
      if (death !== null) {
        const early = node.drain === null ? "" : " (unexpected: its drain was not done)";
        this.#die(nowMs, node, death + early, out);
        changed = true;
      } else if (node.state === "ALIVE" && nowMs - node.heardMs >= NODE_SUSPECT_AFTER_MS) {
        this.#suspect(node, `silent for more than ${NODE_SUSPECT_AFTER_MS} ms`, out);
        changed = true;
      }
    }
    if (changed) this.#publish(out);
    if (!this.#isOld) return;
    this.#isOld = false;
    out.push({ type: "publishNodes" });
  }

  #die(nowMs: number, node: NodeEntry, reason: string, out: NodeEffect[]): void {
    assert(node.state !== "DEAD", `${node.facts.nodeId} dies once`);
    const { nodeId, epoch } = node.facts;
    node.state = "DEAD";
    node.drain = null;
    node.stateMessage = reason;
    node.endedMs = nowMs;
    this.#dead.add(nodeId);
    out.push({ type: "persistNode", record: recordOf(node) });
    if (node.connection !== null) {
      this.#byConnection.delete(node.connection);
      out.push({ type: "closeConnection", connection: node.connection, fenced: true, reason });
      node.connection = null;
    }
    out.push({ type: "nodeDied", nodeId, epoch, reason });
    if (this.#dead.size <= DEAD_NODES_KEPT) return;
    const oldest = this.#dead.values().next().value!;
    this.#dead.delete(oldest);
    this.#nodes.delete(oldest);
    out.push({ type: "forgetNode", nodeId: oldest });
  }
}

function deathReason(nowMs: number, node: NodeEntry, reconnectMs: number): string | null {
  if (nowMs - node.heardMs >= NODE_DEAD_AFTER_MS) return `no heartbeat for ${NODE_DEAD_AFTER_MS} ms`;
  if (node.closedMs === null) return null;
  // Heartbeats that still come show that the process lives: it has the longer time to connect again.
  const graceMs = node.heardMs > node.closedMs ? NODE_DEAD_AFTER_MS : reconnectMs;
  return nowMs - node.closedMs >= graceMs
    ? `its connection closed and it did not come back in ${graceMs} ms`
    : null;
}

function recordOf(node: NodeEntry): NodeRecord {
  const { facts, state, stateMessage, startedMs, endedMs, drain } = node;
  return { facts, state, stateMessage, startedMs, endedMs, drain };
}

function draining(nowMs: number, { facts }: NodeEntry, { deadlineMs, reason }: NodeDrain): NodeEffect {
  return { type: "nodeDraining", nodeId: facts.nodeId, remainingMs: Math.max(0, deadlineMs - nowMs), reason };
}
