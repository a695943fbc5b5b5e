/**
 * The concurrency groups of an actor, at its worker: each has a limit of its own for calls that run at once, so that a busy
 * group holds up no other. Within a group calls begin in the order of their arrival.
 *
 *   added --1--> waiting --2--> admitted --3--> ended
 *      \-----------2---------------/
 *
 *   1 As many of its group are admitted as may run at once.
 *   2 Admitted calls count until they end, whether they have begun or not.
 *   3 The next of the group is admitted.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { Deque } from "../../common/deque.ts";

/** What lanes must know of a call. "" is the default group. */
export interface LaneCall {
  readonly group: string;
}

interface Lane<C> {
  readonly limit: number;
  admitted: number;
  readonly waiting: Deque<C>;
}

/** See the module's header. */
export class CallLanes<C extends LaneCall> {
  readonly #lanes = new Map<string, Lane<C>>();
  readonly #default: Lane<C>;

  /** `limits` by group; `defaultLimit` is that of calls without a group. */
  constructor(defaultLimit: number, limits: Readonly<Record<string, number>>) {
    this.#default = { limit: defaultLimit, admitted: 0, waiting: new Deque() };
    for (const [group, limit] of Object.entries(limits)) {
      this.#lanes.set(group, { limit, admitted: 0, waiting: new Deque() });
    }
  }

  /** Whether it may begin now; else ended() gives it when its turn has come. */
  add(call: C): boolean {
    const lane = this.#laneOf(call);
    if (lane.admitted >= lane.limit) {
      lane.waiting.push(call);
      return false;
    }
    lane.admitted++;
    return true;
  }

  /** An admitted call has ended, or will never begin: the one that may begin in its place. */
  ended(call: C): C | null {
    const lane = this.#laneOf(call);
    assert(lane.admitted > 0, `a call of group ${JSON.stringify(call.group)} that ends was admitted`);
    const next = lane.waiting.shift();
    if (next !== undefined) return next;
    lane.admitted--;
    return null;
  }

  /** Calls that wait are withdrawn. */
  removeWhere(predicate: (call: C) => boolean): C[] {
    return this.#all().flatMap(({ waiting }) => waiting.removeWhere(predicate));
  }

  /** Calls that are not admitted. */
  get waiting(): number {
    return this.#all().reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  check(): void {
    for (const { limit, admitted, waiting } of this.#all()) {
      assert(admitted <= limit, `${admitted} calls of a group are admitted, ${limit} may be`);
      assert(waiting.length === 0 || admitted === limit, "a call waits only when its group is full");
    }
  }

  #all(): Lane<C>[] {
    return [this.#default, ...this.#lanes.values()];
  }

  /** A handle that was made with getIfExists may name a group that the living actor's class does not have. */
  #laneOf({ group }: C): Lane<C> {
    return group === "" ? this.#default : this.#lanes.get(group) ?? this.#default;
  }
}
