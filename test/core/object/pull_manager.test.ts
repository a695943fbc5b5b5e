/**
 * The pull manager as a pure machine: whole effect lists for each rule, then random runs against a store that keeps track of
 * room, where every request must end and nothing may be left behind.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { NodeId, ObjectId } from "../../../runtime/common/ids.ts";
import { PULL_RETRY_MS, PULL_ROUNDS_MAX } from "../../../runtime/common/config.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { RANGE_BYTES, SENDERS_MAX } from "../../../runtime/core/object/pull_ranges.ts";
import { PullManager } from "../../../runtime/core/object/pull_manager.ts";
import type { PullEffect, PullEvent, PullPurpose } from "../../../runtime/core/object/pull_types.ts";

const MB = 1024 * 1024;
const a = "n-a" as NodeId;
const b = "n-b" as NodeId;
const c = "n-c" as NodeId;
const o = (n: number | string) => `o-x-${n}` as ObjectId;

let manager: PullManager;
let nowMs: number;
let roomBytes: number;
let evictable: Map<ObjectId, number>;
/** Evicted, whether or not the manager was told. */
let gone: Set<ObjectId>;
beforeEach(() => {
  nowMs = 0;
  roomBytes = 100 * MB;
  evictable = new Map();
  gone = new Set();
  manager = new PullManager({
    bytes: () => roomBytes,
    evictableBytes: (id) => evictable.get(id) ?? 0,
    bytesOf: (id) => evictable.get(id) ?? 0,
    isHere: (id) => !gone.has(id),
    argumentBytes: 70 * MB,
  });
});
afterEach(() => manager.check());

function step(event: PullEvent): readonly PullEffect[] {
  const effects = manager.step(nowMs, event);
  manager.check();
  return effects;
}
interface Wanted {
  purpose?: PullPurpose;
  fetch?: boolean;
  bundle?: boolean;
  local?: (number | string)[];
  depth?: number;
}
const want = (key: string, ids: (number | string)[], options: Wanted = {}) =>
  step({
    type: "wanted",
    key,
    purpose: options.purpose ?? "get",
    fetch: options.fetch ?? true,
    bundle: options.bundle ?? options.purpose === "argument",
    objects: ids.map((id) => ({ id: o(id), home: b })),
    local: new Set((options.local ?? []).map(o)),
    ...(options.depth !== undefined && { depth: options.depth }),
  });
const located = (n: number | string, bytes = MB, nodes = [b]) =>
  step({ type: "located", id: o(n), nodes, bytes });
const reserved = (n: number | string) => step({ type: "reserved", id: o(n) });
const sealed = (n: number | string) => step({ type: "sealed", id: o(n) });
const failed = (n: number | string, node: NodeId, absent = false) =>
  step({ type: "fetchFailed", id: o(n), node, absent, message: "cut" });

test("an object is located, given room, fetched, and wakes its getter", () => {
  expect(want("g", [1])).toEqual([{ type: "locate", id: o(1), home: b }]);
  expect(located(1)).toEqual([{ type: "reserve", id: o(1), bytes: MB }]);
  expect(reserved(1)).toEqual([{ type: "fetch", id: o(1), node: b }]);
  expect(sealed(1)).toEqual([
    { type: "cancelFetch", id: o(1) },
    { type: "release", id: o(1) },
    { type: "ended", id: o(1) },
    { type: "ready", key: "g" },
  ]);
  expect(manager.pullCount).toBe(0);
});

test("the open question is asked again, once, as soon as somebody knows where the object was made", () => {
  want("g", [1]);
  const told = (key: string) =>
    step({
      type: "wanted",
      key,
      purpose: "get",
      fetch: true,
      bundle: false,
      objects: [{ id: o(1), home: b, at: c }],
      local: new Set(),
    });
  expect(told("h")).toEqual([{ type: "locate", id: o(1), home: b, at: c }]);
  expect(told("i")).toEqual([]);
});

test("however many wait, there is one transfer", () => {
  want("g", [1]);
  expect(want("h", [1])).toEqual([]);
  expect(want("w", [1], { purpose: "wait", fetch: false })).toEqual([]);
  expect(located(1)).toEqual([{ type: "ready", key: "w" }, { type: "reserve", id: o(1), bytes: MB }]);
  expect(want("l", [1], { purpose: "argument" })).toEqual([]);
  expect(want("e", [1], { purpose: "wait", fetch: false })).toEqual([{ type: "ready", key: "e" }]);
  reserved(1);
  expect(sealed(1).filter(({ type }) => type === "ready" || type === "pin")).toEqual([
    { type: "ready", key: "g" },
    { type: "ready", key: "h" },
    { type: "pin", key: "l", id: o(1) },
    { type: "ready", key: "l" },
  ]);
});

test("what is sealed here meanwhile is not fetched", () => {
  want("g", [1]);
  expect(sealed(1)).toEqual([{ type: "ended", id: o(1) }, { type: "ready", key: "g" }]);
  expect(located(1)).toEqual([]);
});

test("a cancelled request stops what only it wanted", () => {
  want("g", [1]);
  want("h", [1]);
  located(1);
  reserved(1);
  expect(step({ type: "cancelled", key: "g" })).toEqual([]);
  expect(step({ type: "cancelled", key: "h" })).toEqual([
    { type: "cancelFetch", id: o(1) },
    { type: "release", id: o(1) },
    { type: "ended", id: o(1) },
  ]);
  expect(step({ type: "cancelled", key: "h" })).toEqual([]);
  expect(reserved(1)).toEqual([]);
});

const referred = (n: number | string, node: NodeId, to: NodeId[]) =>
  step({ type: "referred", id: o(n), node, to });

test("who a busy holder names is asked first; the holder itself last, and then it must send", () => {
  want("g", [1]);
  located(1);
  reserved(1);
  expect(referred(1, b, [a, c])).toEqual([{ type: "fetch", id: o(1), node: a }]);
  expect(failed(1, a)).toEqual([{ type: "fetch", id: o(1), node: c }]);
  // It sends to one that has failed: nothing new.
  expect(referred(1, c, [a])).toEqual([{ type: "fetch", id: o(1), node: b, insists: true }]);
  expect(failed(1, b)).toEqual([{ type: "fetch", id: o(1), node: c, insists: true }]);
  // No referral was a round without success; all having failed is.
  expect(failed(1, c)).toEqual([
    { type: "release", id: o(1) },
    { type: "setTimer", atMs: PULL_RETRY_MS },
  ]);
});

test("a referral is no failure, however many there are", () => {
  want("g", [1]);
  located(1);
  reserved(1);
  const chain = Array.from({ length: 3 * PULL_ROUNDS_MAX }, (_, n) => `n-${n}` as NodeId);
  let at = b;
  for (const next of chain) {
    expect(referred(1, at, [next])).toEqual([{ type: "fetch", id: o(1), node: next }]);
    at = next;
  }
  expect(sealed(1).at(-1)).toEqual({ type: "ready", key: "g" });
});

test("a node that was named and dies is not asked, nor a busy holder that dies", () => {
  want("g", [1]);
  located(1);
  reserved(1);
  referred(1, b, [a, c]);
  expect(step({ type: "nodeDied", node: c })).toEqual([]);
  expect(step({ type: "nodeDied", node: b })).toEqual([]);
  expect(step({ type: "nodeDied", node: a }).map(({ type }) => type)).toEqual([
    "cancelFetch",
    "release",
    "setTimer",
  ]);
});

test("of several holders, a busy one is not pressed while others send", () => {
  want("g", [1]);
  located(1, 3 * RANGE_BYTES, [b, c]);
  reserved(1);
  expect(referred(1, b, [a])).toEqual([
    { type: "fetch", id: o(1), node: a, range: { offset: 0, length: RANGE_BYTES } },
  ]);
  expect(referred(1, a, [c])).toEqual([]);
  expect(failed(1, c)).toEqual([
    {
      type: "fetch",
      id: o(1),
      node: b,
      range: { offset: RANGE_BYTES, length: RANGE_BYTES },
      insists: true,
    },
  ]);
});

test("a stream that broke on its way goes on from elsewhere, else from the same holder, as long as anything comes", () => {
  want("g", [1]);
  located(1, MB, [b, c]);
  reserved(1);
  const broken = (node: NodeId, progress: boolean) =>
    step({ type: "fetchFailed", id: o(1), node, absent: false, progress, message: "cut" });
  expect(broken(b, true)).toEqual([{ type: "fetch", id: o(1), node: c }]);
  expect(broken(c, false)).toEqual([{ type: "fetch", id: o(1), node: b, insists: true }]);
  for (let n = 0; n < 2 * PULL_ROUNDS_MAX; n++) {
    expect(broken(b, true)).toEqual([{ type: "fetch", id: o(1), node: b, insists: true }]);
  }
  expect(broken(b, false).map(({ type }) => type)).toEqual(["release", "setTimer"]);
});

test("late referrals are ignored", () => {
  want("g", [1]);
  located(1);
  reserved(1);
  referred(1, b, [a]);
  expect(referred(1, b, [c])).toEqual([]);
  sealed(1);
  expect(referred(1, a, [c])).toEqual([]);
});

test("a prefetch comes while there is room, and is given up for lack of it", () => {
  want("p", [1], { purpose: "prefetch" });
  expect(located(1)).toEqual([{ type: "reserve", id: o(1), bytes: MB }]);
  roomBytes = 0;
  want("q", [2], { purpose: "prefetch" });
  expect(located(2).map(({ type }) => type)).toEqual(["failed", "ended"]);
  // Alone it would not be admitted either: nothing waits for it to make room.
  sealed(1);
  want("r", [3], { purpose: "prefetch" });
  expect(located(3).map(({ type }) => type)).toEqual(["failed", "ended"]);
  expect(manager.pullCount).toBe(0);
});

test("a prefetch gives its room to arguments, and goes on for whoever wants the same object", () => {
  roomBytes = 10 * MB;
  want("p", [1], { purpose: "prefetch" });
  located(1, 8 * MB);
  roomBytes = 2 * MB;
  reserved(1);
  want("l", [2], { purpose: "argument" });
  expect(located(2, 8 * MB).map(({ type }) => type)).toEqual(["cancelFetch", "release", "reserve"]);
  sealed(2);
  roomBytes = 2 * MB;
  // There is no room for it now.
  expect(step({ type: "roomChanged" })).toEqual([]);
  roomBytes = 10 * MB;
  want("w", [3], { purpose: "wait" });
  want("v", [3], { purpose: "prefetch" });
  located(3, 8 * MB);
  roomBytes = 2 * MB;
  expect(reserved(3)).toEqual([{ type: "fetch", id: o(3), node: b }]);
  expect(step({ type: "cancelled", key: "w" })).toEqual([]);
  expect(sealed(3).at(-1)).toEqual({ type: "ready", key: "v" });
});

test("the next holder is tried when one fails, then the GCS is asked again after a pause", () => {
  want("g", [1]);
  located(1, MB, [b, c]);
  reserved(1);
  expect(failed(1, b, true)).toEqual([{ type: "fetch", id: o(1), node: c }]);
  expect(failed(1, b)).toEqual([]); // Late.
  expect(failed(1, c)).toEqual([{ type: "release", id: o(1) }, { type: "setTimer", atMs: PULL_RETRY_MS }]);
  nowMs = PULL_RETRY_MS;
  expect(step({ type: "timer" })).toEqual([{ type: "locate", id: o(1), home: b }]);
});

test("an object that no holder can send is lost after the last round", () => {
  want("g", [1]);
  for (let round = 1; round < PULL_ROUNDS_MAX; round++) {
    located(1);
    reserved(1);
    expect(failed(1, b, true).at(-1)).toEqual({
      type: "setTimer",
      atMs: nowMs + PULL_RETRY_MS * 2 ** (round - 1),
    });
    nowMs += PULL_RETRY_MS * 2 ** (round - 1);
    step({ type: "timer" });
  }
  located(1);
  reserved(1);
  expect(failed(1, b, true)).toEqual([
    { type: "release", id: o(1) },
    { type: "ended", id: o(1) },
    {
      type: "failed",
      key: "g",
      id: o(1),
      code: "ObjectLostError",
      message: `Cannot fetch o-x-1: tried ${PULL_ROUNDS_MAX} times; last: n-b does not have it`,
    },
  ]);
});

test("the GCS's verdict fails all who wait", () => {
  want("g", [1]);
  want("l", [1, 2], { purpose: "argument" });
  const verdict = { type: "locateFailed", id: o(1), code: "OwnerDiedError", message: "gone" } as const;
  expect(step(verdict)).toEqual([
    { type: "ended", id: o(1) },
    { type: "failed", key: "g", id: o(1), code: "OwnerDiedError", message: "gone" },
    { type: "failed", key: "l", id: o(1), code: "OwnerDiedError", message: "gone" },
    { type: "ended", id: o(2) },
  ]);
  expect(step(verdict)).toEqual([]);
});

test("a dead node's transfer goes on elsewhere", () => {
  want("g", [1]);
  located(1, MB, [b, c]);
  reserved(1);
  expect(step({ type: "nodeDied", node: b })).toEqual([
    { type: "cancelFetch", id: o(1), node: b },
    { type: "fetch", id: o(1), node: c },
  ]);
});

test("a large object comes in parts from several holders, and who is done takes the next", () => {
  const part = (n: number) => ({ offset: n * RANGE_BYTES, length: n < 3 ? RANGE_BYTES : 5 });
  const fetch = (node: NodeId, n: number) => ({ type: "fetch", id: o(1), node, range: part(n) }) as const;
  const fetched = (node: NodeId) => step({ type: "fetched", id: o(1), node });
  want("g", [1]);
  located(1, 3 * RANGE_BYTES + 5, [a, b]);
  expect(reserved(1)).toEqual([fetch(a, 0), fetch(b, 1)]);
  expect(fetched(b)).toEqual([fetch(b, 2)]);
  // What a failed holder did not send goes first to the next that is free.
  expect(failed(1, a)).toEqual([]);
  expect(fetched(a)).toEqual([]); // Late.
  expect(fetched(b)).toEqual([fetch(b, 0)]);
  expect(fetched(b)).toEqual([fetch(b, 3)]);
  expect(failed(1, b).map(({ type }) => type)).toEqual(["release", "setTimer"]);
});

test("no more than a few holders send at once, and one alone sends all in one", () => {
  const nodes = ["n-1", "n-2", "n-3", "n-4", "n-5", "n-6"] as NodeId[];
  roomBytes = 10_000 * MB;
  want("g", [1]);
  located(1, 100 * RANGE_BYTES, nodes);
  expect(reserved(1).map((effect) => "node" in effect && effect.node)).toEqual(nodes.slice(0, SENDERS_MAX));
  want("h", [2]);
  located(2, 100 * RANGE_BYTES, [b]);
  expect(reserved(2)).toEqual([{ type: "fetch", id: o(2), node: b }]);
  want("i", [3]);
  located(3, 2 * RANGE_BYTES - 1, nodes);
  expect(reserved(3)).toEqual([{ type: "fetch", id: o(3), node: nodes[0]! }]);
});

test("arguments that do not fit together arrive one lease at a time", () => {
  want("l1", [1, 2], { purpose: "argument" });
  want("l2", [3, 4], { purpose: "argument" });
  for (const n of [1, 3, 4]) {
    expect(located(n, 40 * MB)).toEqual(
      n < 4 ? [] : [
        // All of the second is known first: it goes first.
        { type: "reserve", id: o(3), bytes: 40 * MB },
        { type: "reserve", id: o(4), bytes: 40 * MB },
      ],
    );
  }
  expect(located(2, 40 * MB)).toEqual([]);
  roomBytes = 20 * MB;
  reserved(3);
  reserved(4);
  expect(sealed(3).filter(({ type }) => type === "pin")).toEqual([{ type: "pin", key: "l2", id: o(3) }]);
  expect(sealed(4).filter(({ type }) => type !== "release" && type !== "cancelFetch")).toEqual([
    { type: "pin", key: "l2", id: o(4) },
    { type: "ended", id: o(4) },
    { type: "ready", key: "l2" },
  ]);
  // The lease is admitted alone when nothing else holds anything: the store evicts, waits, or says why not.
  expect(step({ type: "released", key: "l2" })).toEqual([
    { type: "reserve", id: o(1), bytes: 40 * MB },
    { type: "reserve", id: o(2), bytes: 40 * MB },
  ]);
});

test("arguments hold no more than their share together, an object of several leases once", () => {
  for (const n of [1, 2, 3]) evictable.set(o(n), 40 * MB);
  roomBytes = 1_000 * MB;
  const local = [1, 2, 3];
  expect(want("l1", [1], { purpose: "argument", local })).toEqual([
    { type: "pin", key: "l1", id: o(1) },
    { type: "ready", key: "l1" },
  ]);
  expect(want("l2", [2], { purpose: "argument", local })).toEqual([]);
  // It would fit, and waits its turn: else the larger one would wait for ever.
  expect(want("l3", [1], { purpose: "argument", local })).toEqual([]);
  expect(want("g", [3], { local }).map(({ type }) => type)).toEqual(["ready"]);
  expect(step({ type: "cancelled", key: "l2" })).toEqual([
    { type: "pin", key: "l3", id: o(1) },
    { type: "ready", key: "l3" },
  ]);
  want("l4", [3], { purpose: "argument", local });
  expect(step({ type: "released", key: "l1" })).toEqual([]);
  expect(step({ type: "released", key: "l3" })).toEqual([
    { type: "pin", key: "l4", id: o(3) },
    { type: "ready", key: "l4" },
  ]);
});

test("a deeper task's arguments pass the share where nothing as deep holds any: others may wait for what its parent keeps", () => {
  for (const n of [1, 2, 3]) evictable.set(o(n), 60 * MB);
  roomBytes = 1_000 * MB;
  const local = [1, 2, 3];
  const keys = (depth: number, key: string, n: number) =>
    want(key, [n], { purpose: "argument", local, depth }).filter(({ type }) => type === "ready");
  expect(keys(1, "l1", 1)).toEqual([{ type: "ready", key: "l1" }]);
  expect(keys(1, "l2", 2)).toEqual([]);
  expect(keys(0, "l3", 2)).toEqual([]);
  expect(keys(2, "child", 2)).toEqual([{ type: "ready", key: "child" }]);
  // One a depth: the next one waits for it.
  expect(keys(2, "sibling", 3)).toEqual([]);
  expect(step({ type: "released", key: "child" }).at(-1)).toEqual({ type: "ready", key: "sibling" });
});

test("a get takes the room of a lease's arguments, which come back later", () => {
  want("l", ["here", 1], { purpose: "argument", local: ["here"] });
  evictable.set(o("here"), 10 * MB);
  expect(located(1, 60 * MB)).toEqual([
    { type: "pin", key: "l", id: o("here") },
    { type: "reserve", id: o(1), bytes: 60 * MB },
  ]);
  evictable.delete(o("here"));
  reserved(1);
  roomBytes = 30 * MB;
  want("g", [2]);
  expect(located(2, 50 * MB)).toEqual([
    { type: "unpin", key: "l", id: o("here") },
    { type: "cancelFetch", id: o(1) },
    { type: "release", id: o(1) },
    { type: "reserve", id: o(2), bytes: 50 * MB },
  ]);
  // What it had is evicted for the get: it is missed again.
  expect(step({ type: "removed", id: o("here") })).toEqual([{ type: "locate", id: o("here"), home: b }]);
  reserved(2);
  roomBytes = 100 * MB;
  expect(sealed(2).at(-1)).toEqual({ type: "ready", key: "g" });
  expect(located("here", 10 * MB)).toEqual([
    { type: "reserve", id: o(1), bytes: 60 * MB },
    { type: "reserve", id: o("here"), bytes: 10 * MB },
  ]);
});

test("small objects never wait for room", () => {
  roomBytes = 10 * MB;
  want("g", [1]);
  located(1, 10 * MB);
  want("h", [2]);
  expect(located(2, 10 * MB)).toEqual([]);
  want("i", [3]);
  expect(located(3, 100)).toEqual([{ type: "reserve", id: o(3), bytes: 100 }]);
});

test("a store that is full because its disk is says so, when it was tried often enough", () => {
  want("g", [1]);
  const code = "OutOfDiskError";
  for (let round = 1; round <= PULL_ROUNDS_MAX; round++) {
    located(1);
    const effects = step({
      type: "reserveFailed",
      id: o(1),
      forever: false,
      code,
      message: "no room on /disk",
    });
    if (round === PULL_ROUNDS_MAX) expect(effects.at(-1)).toMatchObject({ type: "failed", key: "g", code });
    nowMs += PULL_RETRY_MS * 2 ** round;
    step({ type: "timer" });
  }
});

test("a full store is tried again, what can never fit fails at once", () => {
  want("g", [1]);
  located(1);
  const code = "ObjectStoreFullError";
  const full = { type: "reserveFailed", id: o(1), forever: false, code, message: "full" } as const;
  expect(step(full)).toEqual([{ type: "setTimer", atMs: PULL_RETRY_MS }]);
  expect(step(full)).toEqual([]);
  nowMs = PULL_RETRY_MS;
  expect(step({ type: "timer" })).toEqual([{ type: "locate", id: o(1), home: b }]);
  located(1);
  expect(step({ ...full, forever: true, message: "too large" }).at(-1)).toEqual({
    type: "failed",
    key: "g",
    id: o(1),
    code: "ObjectStoreFullError",
    message: "too large",
  });
});

test("of objects that are evicted at once, none is pinned when the first is reported", () => {
  want("g", [9]);
  located(9, 50 * MB);
  roomBytes = 50 * MB;
  evictable.set(o(2), 10 * MB);
  expect(want("l", [2], { purpose: "argument", local: [2] })).toEqual([]);
  // The store takes both out before it says so of the first.
  evictable.delete(o(2));
  gone.add(o(1)).add(o(2));
  expect(step({ type: "removed", id: o(1) })).toEqual([]);
  expect(step({ type: "removed", id: o(2) })).toEqual([{ type: "locate", id: o(2), home: b }]);
  gone.clear();
  roomBytes = 100 * MB;
  expect(located(2, 10 * MB)).toEqual([{ type: "reserve", id: o(2), bytes: 10 * MB }]);
});

test("a bundle whose objects are all here is ready at once, and pins them", () => {
  expect(want("l", [1, 2, 1], { purpose: "argument", local: [1, 2] })).toEqual([
    { type: "pin", key: "l", id: o(1) },
    { type: "pin", key: "l", id: o(2) },
    { type: "ready", key: "l" },
  ]);
  expect(want("none", [], { purpose: "argument" })).toEqual([{ type: "ready", key: "none" }]);
});

test("random runs end every request and leave nothing behind", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  for (let run = 0; run < 150; run++) {
    try {
      new World(new Prng(seed + run)).run();
    } catch (error) {
      throw new Error(`seed ${seed + run}: ${(error as Error).message}`, { cause: error });
    }
  }
});

/** A store with hard capacity, a GCS and holders that answer after a while, and fail now and then. */
class World {
  readonly #prng: Prng;
  readonly #capacity = 160 * MB;
  readonly #manager = new PullManager({
    bytes: () => this.#capacity - this.#used() + this.#evictableBytes(),
    evictableBytes: (id) => this.#here.has(id) && !this.#isPinned(id) ? this.#bytes(id) : 0,
    bytesOf: (id) => this.#here.has(id) ? this.#bytes(id) : 0,
    isHere: (id) => this.#here.has(id),
    argumentBytes: Math.floor(0.7 * this.#capacity),
  });
  readonly #here = new Set<ObjectId>();
  readonly #reserved = new Set<ObjectId>();
  readonly #waiting = new Set<ObjectId>();
  readonly #fetching = new Map<ObjectId, Map<NodeId, number>>();
  /** What has arrived of objects whose parts are under way. */
  readonly #arrived = new Map<ObjectId, number>();
  /** `<id> <node>`: it must not be referred. */
  readonly #insisted = new Set<string>();
  readonly #asked = new Set<ObjectId>();
  readonly #pins = new Map<string, Set<ObjectId>>();
  readonly #wanted = new Map<string, { ids: ObjectId[]; pins: boolean }>();
  readonly #leases = new Set<string>();
  #nowMs = 0;
  #timers: number[] = [];
  #keys = 0;
  #queue: PullEvent[] = [];
  #stepping = false;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  run(): void {
    for (let n = 0; n < 300; n++) this.#act(true);
    for (const key of [...this.#wanted.keys()]) {
      // The end of one may be what another was waiting for.
      if (this.#wanted.has(key) && this.#prng.chance(20)) this.#cancel(key);
    }
    for (let n = 0; n < 20_000 && (this.#wanted.size > 0 || this.#leases.size > 0); n++) this.#act(false);
    expect([...this.#wanted.keys()]).toEqual([]);
    expect(this.#manager.pullCount).toBe(0);
    expect([...this.#reserved, ...this.#waiting, ...this.#fetching.keys(), ...this.#asked]).toEqual([]);
    expect(this.#pins.size).toBe(0);
  }

  #act(more: boolean): void {
    this.#nowMs += this.#prng.below(30);
    const kind = this.#prng.below(10);
    if (kind < 3 && more) this.#want();
    else if (kind < 4 && more && this.#wanted.size > 0) {
      this.#cancel(this.#prng.pick([...this.#wanted.keys()]));
    } else if (kind < 6) this.#answer(more);
    else if (kind < 8) this.#finishFetch(more);
    else if (kind < 9 && this.#leases.size > 0) this.#endLease(this.#prng.pick([...this.#leases]));
    else if (this.#timers.some((atMs) => atMs <= this.#nowMs)) {
      this.#timers = this.#timers.filter((atMs) => atMs > this.#nowMs);
      this.#step({ type: "timer" });
    } else if (more && this.#prng.chance(10)) this.#step({ type: "nodeDied", node: this.#prng.pick([b, c]) });
    this.#grant();
  }

  #want(): void {
    const key = `k${++this.#keys}`;
    const purpose = this.#prng.pick(["get", "wait", "argument"] as const);
    const count = purpose === "argument" ? this.#prng.between(0, 4) : 1;
    const ids = [...new Set(Array.from({ length: count }, () => o(this.#prng.below(25))))];
    const pins = purpose === "argument";
    const fetch = purpose !== "wait" || this.#prng.chance(50);
    this.#wanted.set(key, { ids, pins });
    this.#step({
      type: "wanted",
      key,
      purpose,
      fetch,
      bundle: pins,
      objects: ids.map((id) => ({ id, home: b })),
      local: new Set(ids.filter((id) => this.#here.has(id))),
    });
  }

  #cancel(key: string): void {
    this.#wanted.delete(key);
    this.#step({ type: "cancelled", key });
    if (this.#pins.has(key)) throw new Error(`${key} was cancelled and pins`);
  }

  #endLease(key: string): void {
    this.#leases.delete(key);
    this.#pins.delete(key);
    this.#step({ type: "released", key });
  }

  #answer(more: boolean): void {
    if (this.#asked.size === 0) return;
    const id = this.#prng.pick([...this.#asked]);
    this.#asked.delete(id);
    if (more && this.#prng.chance(5)) {
      this.#step({ type: "locateFailed", id, code: "ObjectLostError", message: "lost" });
    } else {this.#step({
        type: "located",
        id,
        nodes: this.#prng.chance(80) ? [b, c] : [a, c],
        bytes: this.#bytes(id),
      });}
  }

  #finishFetch(more: boolean): void {
    if (this.#fetching.size === 0) return;
    const [id, senders] = this.#prng.pick([...this.#fetching]);
    const [node, bytes] = this.#prng.pick([...senders]);
    this.#endFetch(id, node);
    if (!this.#insisted.delete(`${id} ${node}`) && this.#prng.chance(30)) {
      const to = [a, b, c, "n-d" as NodeId, "n-e" as NodeId].filter((other) =>
        other !== node && this.#prng.chance(40)
      );
      this.#step({ type: "referred", id, node, to });
      return;
    }
    if (more && this.#prng.chance(20)) {
      this.#step({ type: "fetchFailed", id, node, absent: this.#prng.chance(50), message: "cut" });
      return;
    }
    const arrived = (this.#arrived.get(id) ?? 0) + bytes;
    this.#arrived.set(id, arrived);
    expect(arrived).toBeLessThanOrEqual(this.#bytes(id));
    if (arrived < this.#bytes(id)) return this.#step({ type: "fetched", id, node });
    expect(this.#fetching.has(id)).toBe(false);
    this.#arrived.delete(id);
    this.#reserved.delete(id);
    this.#here.add(id);
    this.#step({ type: "sealed", id });
  }

  #endFetch(id: ObjectId, node: NodeId): void {
    const senders = this.#fetching.get(id);
    if (senders?.delete(node) && senders.size === 0) this.#fetching.delete(id);
  }

  /** Grants reservations that fit, evicting what nobody pins. Sometimes the store gives up on one. */
  #grant(): void {
    for (const id of [...this.#waiting]) {
      if (!this.#waiting.has(id)) continue;
      while (this.#used() + this.#bytes(id) > this.#capacity) {
        const victim = [...this.#here].find((here) => !this.#isPinned(here));
        if (victim === undefined) break;
        this.#here.delete(victim);
        this.#step({ type: "removed", id: victim });
      }
      if (!this.#waiting.has(id)) continue;
      if (this.#used() + this.#bytes(id) <= this.#capacity) {
        this.#waiting.delete(id);
        this.#reserved.add(id);
        this.#step({ type: "reserved", id });
      } else if (this.#prng.chance(5)) {
        this.#waiting.delete(id);
        const code = "ObjectStoreFullError";
        this.#step({ type: "reserveFailed", id, forever: false, code, message: "full" });
      }
    }
    expect(this.#used()).toBeLessThanOrEqual(this.#capacity);
  }

  #step(event: PullEvent): void {
    this.#queue.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const effects = this.#manager.step(this.#nowMs, next);
      this.#manager.check();
      for (const effect of effects) this.#perform(effect);
    }
    this.#stepping = false;
  }

  #perform(effect: PullEffect): void {
    switch (effect.type) {
      case "locate":
        this.#asked.add(effect.id);
        break;
      case "ended":
        this.#asked.delete(effect.id);
        break;
      case "reserve":
        if (this.#reserved.has(effect.id) || this.#waiting.has(effect.id)) {
          throw new Error(`${effect.id} has room twice`);
        }
        this.#waiting.add(effect.id);
        break;
      case "release":
        this.#waiting.delete(effect.id);
        this.#reserved.delete(effect.id);
        this.#fetching.delete(effect.id);
        this.#arrived.delete(effect.id);
        break;
      case "fetch": {
        const senders = this.#fetching.get(effect.id) ?? new Map<NodeId, number>();
        if (senders.has(effect.node)) throw new Error(`${effect.node} sends ${effect.id} twice`);
        if (!this.#reserved.has(effect.id)) throw new Error(`${effect.id} is fetched without room`);
        senders.set(effect.node, effect.range?.length ?? this.#bytes(effect.id));
        this.#fetching.set(effect.id, senders);
        if (effect.insists) this.#insisted.add(`${effect.id} ${effect.node}`);
        else this.#insisted.delete(`${effect.id} ${effect.node}`);
        break;
      }
      case "cancelFetch":
        if (effect.node === undefined) this.#fetching.delete(effect.id);
        else this.#endFetch(effect.id, effect.node);
        break;
      case "pin": {
        if (!this.#here.has(effect.id)) throw new Error(`${effect.id} is pinned but not here`);
        const pins = this.#pins.get(effect.key) ?? new Set();
        this.#pins.set(effect.key, pins.add(effect.id));
        break;
      }
      case "unpin":
        this.#pins.get(effect.key)!.delete(effect.id);
        if (this.#pins.get(effect.key)!.size === 0) this.#pins.delete(effect.key);
        break;
      case "ready": {
        const { ids, pins } = this.#wanted.get(effect.key)!;
        this.#wanted.delete(effect.key);
        if (!pins) break;
        expect([...this.#pins.get(effect.key) ?? []].sort()).toEqual(ids.sort());
        this.#leases.add(effect.key);
        break;
      }
      case "failed":
        this.#wanted.delete(effect.key);
        break;
      case "setTimer":
        this.#timers.push(effect.atMs);
        break;
    }
  }

  #bytes(id: ObjectId): number {
    return (Number(id.slice(4)) % 10) * 5 * MB + 200;
  }

  #used(): number {
    let bytes = 0;
    for (const id of [...this.#here, ...this.#reserved]) bytes += this.#bytes(id);
    return bytes;
  }

  #evictableBytes(): number {
    let bytes = 0;
    for (const id of this.#here) if (!this.#isPinned(id)) bytes += this.#bytes(id);
    return bytes;
  }

  #isPinned(id: ObjectId): boolean {
    for (const pins of this.#pins.values()) if (pins.has(id)) return true;
    return false;
  }
}
