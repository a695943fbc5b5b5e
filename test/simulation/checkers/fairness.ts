/**
 * Whose turn it is on one node: no scheduling class is overtaken by another of its job again and again, and no request by
 * shallower ones, while it could take what they were given. Those that deeper ones starve are let through now and then.
 * @module
 */
import { fits } from "../../../runtime/common/resources.ts";
import type { LeaseRequest } from "../../../runtime/common/task_spec.ts";
import { requestKey } from "../../../runtime/core/scheduler/local_scheduler_types.ts";
import type { SimAgent } from "../sim_agent.ts";
import type { SimWorld } from "../sim_world.ts";

/** How often a class may be served again before another has its turn. */
const OVERTAKEN_MAX = 12;
/** Shallower requests get their turn only when nothing deeper can take it. */
const SHALLOWER_MAX = 2;
/** A request whose submitter has no lease of its kind for this long may go before deeper ones. */
const STARVED_MS = 100;

interface Waiting {
  readonly request: LeaseRequest;
  /**
   * Requests that held their resources when this one came, and only wait for a worker: they had their turn before it, as
   * many as the node has room for, whatever their depth.
   */
  readonly before: ReadonlySet<string>;
}

/** Turns at one node. */
export class TurnBook {
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  /** All and only requests without an answer here. */
  readonly #open: Map<string, { readonly request: LeaseRequest; readonly sinceMs: number }> = new Map();
  /** Those of them whose turn is watched. */
  readonly #waiting: Map<string, Waiting> = new Map();
  /** Class that waits -> class that was served -> how often in a row. */
  readonly #classes: Map<string, Map<string, number>> = new Map();
  /** Request that waits -> how many shallower ones were served meanwhile. */
  readonly #shallower: Map<string, number> = new Map();

  constructor(world: SimWorld, agent: SimAgent) {
    this.#world = world;
    this.#agent = agent;
  }

  requested(request: LeaseRequest): void {
    const { nowMs } = this.#world.loop;
    if (!this.#open.has(keyOf(request))) this.#open.set(keyOf(request), { request, sinceMs: nowMs });
    // Those with arguments take their turn when these are here.
    if (request.kind !== "task" || request.args.length > 0 || this.#waiting.has(keyOf(request))) return;
    // Nor does one that waits for a bundle of its placement group wait for what others get.
    if (request.strategy.type === "group") return;
    const before = new Set<string>();
    for (const [key, { request: { submitter, requestId } }] of this.#open) {
      if (this.#agent.scheduler.waitsForWorker(submitter, requestId)) before.add(key);
    }
    this.#waiting.set(keyOf(request), { request, before });
  }

  /** It waits here no longer. */
  answered(key: string): void {
    this.#open.delete(key);
    this.#waiting.delete(key);
    this.#shallower.delete(key);
  }

  granted(served: LeaseRequest): void {
    const starved = this.#isStarved(served);
    this.answered(keyOf(served));
    this.#classes.delete(lineOf(served));
    // What a placement group's bundle gives takes nothing from the node.
    if (served.kind !== "task" || served.strategy.type === "group") return;
    const passed = new Set<string>();
    for (const [key, { request, before }] of this.#waiting) {
      if (
        before.has(keyOf(served)) || request.jobId !== served.jobId || request.depth < served.depth ||
        !fits(served.resources, request.resources)
      ) continue;
      if (!this.#agent.scheduler.waitsForResources(request.submitter, request.requestId)) {
        this.#shallower.delete(key);
        this.#classes.delete(lineOf(request));
        continue;
      }
      if (request.depth > served.depth) {
        if (!starved) this.#passedByShallower(key, served);
      } else if (request.classKey !== served.classKey) passed.add(lineOf(request));
    }
    for (const line of passed) this.#passedByClass(line, served);
  }

  #isStarved(served: LeaseRequest): boolean {
    const sinceMs = this.#open.get(keyOf(served))?.sinceMs ?? this.#world.loop.nowMs;
    // The lease that it has just been granted is one.
    return this.#agent.scheduler.leasesLike(served) <= 1 && this.#world.loop.nowMs - sinceMs >= STARVED_MS;
  }

  #passedByShallower(key: string, served: LeaseRequest): void {
    const count = (this.#shallower.get(key) ?? 0) + 1;
    this.#shallower.set(key, count);
    if (count <= SHALLOWER_MAX) return;
    this.#world.fail(
      `${this.#agent.nodeId}: ${key} waits while ${count} shallower requests run before it: ` +
        `the last is ${keyOf(served)} of depth ${served.depth}`,
    );
  }

  #passedByClass(line: string, served: LeaseRequest): void {
    let counts = this.#classes.get(line);
    if (counts === undefined) this.#classes.set(line, counts = new Map());
    const count = (counts.get(served.classKey) ?? 0) + 1;
    counts.set(served.classKey, count);
    if (count <= OVERTAKEN_MAX) return;
    this.#world.fail(
      `${this.#agent.nodeId}: class ${line} waits while class ${served.classKey} is served ` +
        `${count} times`,
    );
  }
}

function keyOf(request: LeaseRequest): string {
  return requestKey(request.submitter, request.requestId);
}

function lineOf(request: LeaseRequest): string {
  return `${request.jobId} ${request.depth} ${request.classKey}`;
}
