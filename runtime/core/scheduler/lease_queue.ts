/**
 * Requests of one node that could be granted now but for resources: deeper ones first (descendants of blocked tasks
 * run before new roots), round robin across scheduling classes within a depth, first come first served within a class.
 * @module
 */
import type { LeaseOrigin } from "./local_scheduler_types.ts";
import type { NodeId } from "../../common/ids.ts";
import type { LeaseRequest } from "../../common/task_spec.ts";
import type { Allocation } from "./node_resources.ts";

/**
 * deciding: asked the global scheduler, must not run here yet.  queued: could run here now but for resources.
 * pulling: its arguments are being fetched.  starting: holds resources, waits for a worker.  forwarded: another node has it.
 */
export type RequestPhase = "deciding" | "queued" | "pulling" | "starting" | "forwarded";

/** One request without an answer. Fields are changed by the local scheduler only. */
export interface PendingRequest {
  readonly key: string;
  readonly request: LeaseRequest;
  readonly origin: LeaseOrigin;
  readonly sinceMs: number;
  phase: RequestPhase;
  backlog: number;
  /** Decided to run here; still offered to others when it waits for long. */
  committed: boolean;
  argumentsReady: boolean;
  missingBytes: number | null;
  /** The global scheduler has been asked and has not answered. */
  picking: boolean;
  /** When to ask the global scheduler (again), and how long to wait after that. */
  nextPickMs: number;
  pickBackoffMs: number;
  exclude: NodeId[];
  /** Held while "starting". */
  allocation: Allocation | null;
  forwardedTo: NodeId | null;
}

export class LeaseQueue {
  /** depth -> class -> requests in order; no empty maps. */
  readonly #depths: Map<number, Map<string, Map<string, PendingRequest>>> = new Map();
  /** Depths in use, deepest first. */
  #order: number[] = [];
  #size: number = 0;
  /** All and only queued requests that are decided to run here, by depth and class; no empty sets. */
  readonly #committed: Map<string, Set<PendingRequest>> = new Map();

  get size(): number {
    return this.#size;
  }

  add(entry: PendingRequest): void {
    const { depth, classKey } = entry.request;
    let classes = this.#depths.get(depth);
    if (classes === undefined) {
      classes = new Map();
      this.#depths.set(depth, classes);
      this.#order = [...this.#depths.keys()].sort((a, b) => b - a);
    }
    let entries = classes.get(classKey);
    if (entries === undefined) {
      entries = new Map();
      classes.set(classKey, entries);
    }
    if (entries.has(entry.key)) throw new Error(`Cannot queue ${entry.key} twice.`);
    entries.set(entry.key, entry);
    this.#size++;
    if (entry.committed) this.promote(entry);
  }

  remove(entry: PendingRequest): void {
    const { depth, classKey } = entry.request;
    const classes = this.#depths.get(depth);
    const entries = classes?.get(classKey);
    if (classes === undefined || entries === undefined || !entries.delete(entry.key)) {
      throw new Error(`Cannot remove ${entry.key}: it is not queued.`);
    }
    this.#size--;
    const line = lineOf(depth, classKey);
    const committed = this.#committed.get(line);
    if (committed?.delete(entry) && committed.size === 0) this.#committed.delete(line);
    if (entries.size > 0) return;
    classes.delete(classKey);
    if (classes.size > 0) return;
    this.#depths.delete(depth);
    this.#order = this.#order.filter((other) => other !== depth);
  }

  /** Depths in use, deepest first. */
  depths(): readonly number[] {
    return this.#order;
  }

  /** Classes at a depth in their turn's order. */
  classesAt(depth: number): string[] {
    return [...this.#depths.get(depth)?.keys() ?? []];
  }

  /**
   * The request of a class whose turn it is: one that is decided to run here goes first. Its resources are promised to it,
   * so that those before it, which came later to that decision, would wait for what only it can take.
   */
  first(depth: number, classKey: string): PendingRequest | undefined {
    const entries = this.#depths.get(depth)?.get(classKey);
    if (entries === undefined) return undefined;
    const committed = this.#committed.get(lineOf(depth, classKey));
    return (committed ?? entries).values().next().value;
  }

  /** It is decided now that this queued request runs here. */
  promote(entry: PendingRequest): void {
    const line = lineOf(entry.request.depth, entry.request.classKey);
    const committed = this.#committed.get(line);
    if (committed === undefined) this.#committed.set(line, new Set([entry]));
    else committed.add(entry);
  }

  /** The class had its turn: it goes behind the others of its depth. */
  rotate(depth: number, classKey: string): void {
    const classes = this.#depths.get(depth);
    const entries = classes?.get(classKey);
    if (classes === undefined || entries === undefined) return;
    classes.delete(classKey);
    classes.set(classKey, entries);
  }

  has(entry: PendingRequest): boolean {
    const { depth, classKey } = entry.request;
    return this.#depths.get(depth)?.get(classKey)?.has(entry.key) ?? false;
  }

  check(): void {
    let size = 0;
    for (const classes of this.#depths.values()) {
      if (classes.size === 0) throw new Error("Invariant broken: no depth is empty.");
      for (const entries of classes.values()) {
        if (entries.size === 0) throw new Error("Invariant broken: no class is empty.");
        size += entries.size;
        for (const entry of entries.values()) {
          if (entry.phase !== "queued") {
            throw new Error("Invariant broken: only queued requests are in the queue.");
          }
        }
      }
    }
    if (size !== this.#size) throw new Error("Invariant broken: the queue knows its size.");
    for (const committed of this.#committed.values()) {
      if (committed.size === 0) throw new Error("Invariant broken: no set of decided requests is empty.");
      for (const entry of committed) {
        if (!this.has(entry) || !entry.committed) {
          throw new Error("Invariant broken: decided requests are queued.");
        }
      }
    }
  }
}

function lineOf(depth: number, classKey: string): string {
  return `${depth} ${classKey}`;
}
