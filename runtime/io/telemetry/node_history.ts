/**
 * What happened to nodes: joined, silent, back, drained, died, refused for being dead. The newest events of each node are kept,
 * and of all nodes together.
 * @module
 */
import type { NodeRow } from "../../protocol/messages.ts";
import type { NodeEventDto } from "../../../dashboard/api/entities.ts";

const EVENTS_OF_NODE = 50;
const EVENTS_MAX = 2_000;
/** A dead node that keeps asking is told of once in this time. */
const FENCED_AGAIN_MS = 60_000;

/** See the module's header. */
export class NodeHistory {
  /** Oldest first. */
  readonly #events: NodeEventDto[] = [];
  /** When a dead incarnation of it was refused last. */
  readonly #fencedMs = new Map<string, number>();

  /** A node's row before (undefined: it is new) and now. */
  apply(before: NodeRow | undefined, now: NodeRow, nowMs: number): void {
    const { nodeId, state, stateMessage } = now;
    const add = (kind: NodeEventDto["kind"], message: string, atMs = nowMs): void =>
      this.#add({ atMs, nodeId, kind, message });
    const isAnother = before === undefined || before.epoch !== now.epoch;
    if (isAnother) {
      const where = `${now.hostname}, ${now.runtime}, pid ${now.pid}`;
      add("joined", where, Math.min(nowMs, now.startedMs));
      this.#fencedMs.delete(nodeId);
    }
    const was = isAnother ? "ALIVE" : before.state;
    if (state === "SUSPECT" && was !== "SUSPECT") add("suspect", stateMessage);
    if (state === "ALIVE" && was === "SUSPECT") add("back", "");
    if (state === "DEAD" && was !== "DEAD") {
      const isDrained = before?.drain !== undefined || now.drain !== undefined;
      add(isDrained ? "drained" : "died", stateMessage);
    }
    const [order, orderBefore] = [now.drain, isAnother ? undefined : before.drain];
    if (state === "DEAD" || order?.reason === orderBefore?.reason) return;
    if (order === undefined) add("drain cancelled", "");
    else add("draining", order.reason);
  }

  /** An incarnation that was declared dead asked for something, and was refused. */
  fenced(nodeId: string, message: string, nowMs: number): void {
    const before = this.#fencedMs.get(nodeId);
    if (before !== undefined && nowMs - before < FENCED_AGAIN_MS) return;
    this.#fencedMs.set(nodeId, nowMs);
    this.#add({ atMs: nowMs, nodeId, kind: "fenced", message });
  }

  /** Whether its dead incarnation lives on, unheard. */
  isFenced(nodeId: string): boolean {
    return this.#fencedMs.has(nodeId);
  }

  forget(nodeId: string): void {
    this.#fencedMs.delete(nodeId);
  }

  /** Oldest first. */
  of(nodeId: string): NodeEventDto[] {
    return this.#events.filter((event) => event.nodeId === nodeId).slice(-EVENTS_OF_NODE);
  }

  /** Of all nodes, the newest first. */
  newest(limit: number): NodeEventDto[] {
    return this.#events.slice(-limit).reverse();
  }

  #add(event: NodeEventDto): void {
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) this.#events.splice(0, EVENTS_MAX / 10);
  }
}
