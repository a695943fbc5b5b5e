/** Which process hosts which light actor, event by event; invariants checked after each step. */
import { describe, expect, test } from "bun:test";
import type { ActorId } from "../../../runtime/common/ids.ts";
import {
  ActorHosts,
  ACTORS_PER_START,
  EMPTY_MS,
  type HostsEffect,
  type HostsEvent,
} from "../../../runtime/core/actor/actor_hosts.ts";
import { Prng } from "../../../runtime/common/prng.ts";

const id = (n: number): ActorId => `a-${n}` as ActorId;

class Bench {
  readonly machine: ActorHosts;
  nowMs = 1_000;

  constructor(cpus = 2) {
    this.machine = new ActorHosts(cpus);
  }
  step(event: HostsEvent): readonly HostsEffect[] {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    return effects;
  }
  want(n: number, key = "k"): readonly HostsEffect[] {
    return this.step({ type: "actorWanted", key, actorId: id(n) });
  }
}

describe("placing", () => {
  test("the first actor starts a host; those that come meanwhile wait for it, and are constructed in order", () => {
    const bench = new Bench();
    expect(bench.want(1)).toEqual([{ type: "startHost", hostId: "h1", key: "k", actorId: id(1) }]);
    expect(bench.want(2)).toEqual([]);
    expect(bench.step({ type: "hostReady", hostId: "h1" })).toEqual([
      { type: "construct", hostId: "h1", actorIds: [id(1), id(2)] },
    ]);
    expect(bench.want(3)).toEqual([{ type: "construct", hostId: "h1", actorIds: [id(3)] }]);
  });

  test("a key has a host more when all are well filled, up to the CPUs; then the emptiest takes the next", () => {
    const bench = new Bench(2);
    for (let n = 0; n < ACTORS_PER_START; n++) bench.want(n);
    expect(bench.want(1_000)).toMatchObject([{ type: "startHost", hostId: "h2" }]);
    for (let n = 2_000; n < 2_000 + 3 * ACTORS_PER_START; n++) expect(bench.want(n)).toEqual([]);
    expect(Math.abs(bench.machine.sizeOf("h1") - bench.machine.sizeOf("h2"))).toBeLessThanOrEqual(1);
  });

  test("other keys never share a host, and a node with a fraction of a CPU has one host a key", () => {
    const bench = new Bench(0.5);
    expect(bench.want(1, "a")).toMatchObject([{ hostId: "h1" }]);
    expect(bench.want(2, "b")).toMatchObject([{ hostId: "h2" }]);
    for (let n = 10; n < 300; n++) expect(bench.want(n, "a")).toEqual([]);
  });
});

describe("ends", () => {
  test("a host that is gone takes its actors along, once; the next one starts a new host", () => {
    const bench = new Bench();
    bench.want(1);
    bench.want(2);
    bench.step({ type: "hostReady", hostId: "h1" });
    bench.step({ type: "actorGone", actorId: id(1) });
    expect(bench.step({ type: "hostGone", hostId: "h1" })).toEqual([
      { type: "actorsLost", hostId: "h1", actorIds: [id(2)] },
    ]);
    expect(bench.step({ type: "hostGone", hostId: "h1" })).toEqual([]);
    expect(bench.step({ type: "actorGone", actorId: id(2) })).toEqual([]);
    expect(bench.want(2)).toMatchObject([{ type: "startHost", hostId: "h2" }]);
  });

  test("an empty host is kept for a while, and stopped when nobody came", () => {
    const bench = new Bench();
    bench.want(1);
    bench.step({ type: "hostReady", hostId: "h1" });
    expect(bench.step({ type: "actorGone", actorId: id(1) })).toEqual([
      { type: "setTimer", atMs: bench.nowMs + EMPTY_MS },
    ]);
    bench.nowMs += EMPTY_MS - 1;
    expect(bench.step({ type: "timer" })).toEqual([{ type: "setTimer", atMs: bench.nowMs + 1 }]);
    bench.nowMs += 1;
    expect(bench.step({ type: "timer" })).toEqual([{ type: "stopHost", hostId: "h1" }]);
    // It is on its way out: the next actor has a new one.
    expect(bench.want(2)).toMatchObject([{ type: "startHost", hostId: "h2" }]);
    expect(bench.step({ type: "hostGone", hostId: "h1" })).toEqual([]);
  });

  test("one that is needed again is kept", () => {
    const bench = new Bench();
    bench.want(1);
    bench.step({ type: "hostReady", hostId: "h1" });
    bench.step({ type: "actorGone", actorId: id(1) });
    expect(bench.want(2)).toEqual([{ type: "construct", hostId: "h1", actorIds: [id(2)] }]);
    bench.nowMs += EMPTY_MS;
    expect(bench.step({ type: "timer" })).toEqual([]);
  });

  test("a host whose actors all went before it was there is stopped when it is", () => {
    const bench = new Bench();
    bench.want(1);
    bench.step({ type: "actorGone", actorId: id(1) });
    bench.nowMs += EMPTY_MS;
    expect(bench.step({ type: "timer" })).toEqual([]);
    expect(bench.step({ type: "hostReady", hostId: "h1" })).toEqual([]);
    expect(bench.step({ type: "timer" })).toEqual([{ type: "stopHost", hostId: "h1" }]);
  });
});

test("any order of events keeps every actor on exactly one host", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const prng = new Prng(seed);
    const bench = new Bench(1 + prng.below(4));
    const alive = new Set<number>();
    const hosts = new Set<string>();
    for (let n = 0; n < 400; n++) {
      const kind = prng.below(10);
      let effects: readonly HostsEffect[] = [];
      const [oldest] = alive;
      const host = [...hosts][prng.below(Math.max(1, hosts.size))];
      if (kind < 6 || oldest === undefined || host === undefined) {
        effects = bench.want(n, `k${prng.below(2)}`);
        alive.add(n);
      } else if (kind < 8) {
        effects = bench.step({ type: "actorGone", actorId: id(oldest) });
        alive.delete(oldest);
      } else if (kind < 9) effects = bench.step({ type: "hostReady", hostId: host });
      else {
        effects = bench.step({ type: "hostGone", hostId: host });
        hosts.delete(host);
      }
      bench.nowMs += 100;
      for (const effect of [...effects, ...bench.step({ type: "timer" })]) {
        if (effect.type === "startHost") hosts.add(effect.hostId);
        if (effect.type === "actorsLost") {
          for (const lost of effect.actorIds) alive.delete(Number(lost.slice(2)));
        }
      }
      for (const each of alive) expect(bench.machine.hostOf(id(each))).not.toBeNull();
    }
  }
});
