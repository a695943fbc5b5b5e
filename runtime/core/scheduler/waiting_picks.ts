/**
 * Requests that no node can take now, by what would help them: requests of one shape wait for the same nodes, so that a
 * node that joins is compared with shapes, not with requests.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { labelWishesOf } from "../../common/labels.ts";
import type { PickRequest } from "./pick_request.ts";

export interface WaitingPick {
  readonly request: PickRequest;
  readonly sinceMs: number;
}

export class WaitingPicks {
  /** By shape, the oldest shape first; the requests of each in order. No empty maps. */
  readonly #shapes: Map<string, Map<string, WaitingPick>> = new Map();
  readonly #shapeOf: Map<string, string> = new Map();
  /** Keys of those whose asker excluded nodes: they are due by themselves. */
  readonly #excluding: Set<string> = new Set();

  get size(): number {
    return this.#shapeOf.size;
  }

  get(key: string): WaitingPick | undefined {
    const shape = this.#shapeOf.get(key);
    return shape === undefined ? undefined : this.#shapes.get(shape)!.get(key);
  }

  /** The key must be free. */
  add(request: PickRequest, sinceMs: number): void {
    const shape = waitingShape(request);
    const known = this.#shapes.get(shape);
    const pick = { request, sinceMs };
    if (known === undefined) this.#shapes.set(shape, new Map([[request.key, pick]]));
    else known.set(request.key, pick);
    this.#shapeOf.set(request.key, shape);
    if (request.exclude.length > 0) this.#excluding.add(request.key);
  }

  delete(key: string): void {
    const shape = this.#shapeOf.get(key);
    if (shape === undefined) return;
    this.#shapeOf.delete(key);
    this.#excluding.delete(key);
    const picks = this.#shapes.get(shape)!;
    picks.delete(key);
    if (picks.size === 0) this.#shapes.delete(shape);
  }

  deleteWhere(isGone: (request: PickRequest) => boolean): void {
    for (const { request } of this.all()) if (isGone(request)) this.delete(request.key);
  }

  /** One request of each shape. */
  shapes(): PickRequest[] {
    return [...this.#shapes.values()].map((picks) => picks.values().next().value!.request);
  }

  /** All of the same shape as this one, in order. */
  ofShape(request: PickRequest): WaitingPick[] {
    return [...this.#shapes.get(waitingShape(request))?.values() ?? []];
  }

  excluding(): WaitingPick[] {
    return [...this.#excluding].map((key) => this.get(key)!);
  }

  all(): WaitingPick[] {
    return [...this.#shapes.values()].flatMap((picks) => [...picks.values()]);
  }

  check(): void {
    let size = 0;
    for (const [shape, picks] of this.#shapes) {
      assert(picks.size > 0, "no shape waits without a request");
      for (const [key, { request }] of picks) {
        assert(request.key === key && this.#shapeOf.get(key) === shape, `${key} is filed under its own key`);
        assert(
          request.exclude.length > 0 === this.#excluding.has(key),
          `${key} is due when it excludes nodes`,
        );
        size++;
      }
    }
    assert(size === this.#shapeOf.size, "every waiting request has a shape");
  }
}

/** Requests of equal shape can run on the same nodes. */
export function waitingShape(request: PickRequest): string {
  const { resources, strategy } = request;
  return JSON.stringify([resources, labelWishesOf(request), strategy]);
}
