/** Light actors in the GCS: what a node is told of many is one message, and each is still judged by its own rules. */
import { describe, expect, test } from "bun:test";
import type { ActorId, NodeId } from "../../../runtime/common/ids.ts";
import type { ActorSpec, DeathCause } from "../../../runtime/common/task_spec.ts";
import { Gcs } from "../../../runtime/core/gcs/gcs.ts";
import type { GcsEffect, GcsEvent, Of } from "../../../runtime/core/gcs/gcs_events.ts";
import { actorSpec, DRIVER, J1, N1, registration, WORKER } from "./fixtures.ts";

const CRASH: DeathCause = { code: "WORKER_DIED", message: "signal SIGKILL" };
const common = actorSpec({ isolation: "shared", args: [], resources: {}, placementResources: {}, name: "" });

class Bench {
  readonly gcs: Gcs = new Gcs(1_000);

  constructor() {
    const said = registration({ nodeId: N1 });
    this.step({ type: "registerNode", requestId: "reg", connection: 1, registration: said });
    this.step({
      type: "addJob",
      requestId: "job",
      newJobId: J1,
      driverId: DRIVER,
      nodeId: N1,
      namespace: "ns",
      entrypoint: "main.ts",
      pid: 1,
      runtime: "bun",
    });
  }
  step(event: GcsEvent): readonly GcsEffect[] {
    const effects = this.gcs.step(1_000, event);
    this.gcs.check();
    return effects;
  }
  create(count: number, changes: (index: number) => Partial<ActorSpec> = () => ({})): readonly GcsEffect[] {
    const specs = Array.from({ length: count }, (_, n) => ({ ...common, ...changes(n), actorId: idOf(n) }));
    return this.step({ type: "createActors", requestId: "create", nodeId: N1, specs });
  }
  started(count: number, incarnation = 1): readonly GcsEffect[] {
    const at = { nodeId: N1, workerId: WORKER, socketPath: "s", pid: 3 };
    const actors = Array.from({ length: count }, (_, n) => [idOf(n), incarnation] as const);
    return this.step({ type: "actorsStarted", requestId: "started", ...at, actors });
  }
  states(): string[] {
    return this.gcs.actors.records().map(({ status }) => status.state);
  }
}

const idOf = (n: number): ActorId => `a-${n}` as ActorId;
const sendsOf = (effects: readonly GcsEffect[]): Of<GcsEffect, "send">[] =>
  effects.filter((effect) => effect.type === "send");

describe("creation", () => {
  test("a batch is one answer after the commit, one order to its node, and then one word to its watchers", () => {
    const bench = new Bench();
    const created = bench.create(500);
    expect(created.filter(({ type }) => type === "reply")).toEqual([
      { type: "reply", requestId: "create", result: {}, afterCommit: true },
    ]);
    const [order, ...others] = sendsOf(created).filter(({ method }) => method === "startActors");
    expect(others).toEqual([]);
    expect(order).toMatchObject({ nodeId: N1, afterCommit: true, params: { incarnations: { length: 500 } } });
    // Orders come after everything that they rest on.
    expect(created.indexOf(order!)).toBeGreaterThan(
      created.findLastIndex(({ type }) => type === "persistActor"),
    );
    const told = sendsOf(bench.started(500)).filter(({ method }) => method === "actorStatuses");
    expect(told).toMatchObject([{
      params: { common: { state: "ALIVE", shared: true }, actors: { length: 500 } },
    }]);
    expect(new Set(bench.states())).toEqual(new Set(["ALIVE"]));
  });

  test("they are spread over the nodes, each of which gets one order", () => {
    const bench = new Bench();
    const nodes = Array.from({ length: 11 }, (_, n) => `n-more${n}` as NodeId);
    for (const [n, nodeId] of nodes.entries()) {
      const said = registration({ nodeId });
      bench.step({ type: "registerNode", requestId: `reg${n}`, connection: n + 2, registration: said });
    }
    const orders = sendsOf(bench.create(600)).filter(({ method }) => method === "startActors");
    expect(orders.map(({ nodeId }) => nodeId).sort()).toEqual([N1, ...nodes].sort());
    for (const { params } of orders) expect(params).toMatchObject({ incarnations: { length: 50 } });
  });

  test("a batch that is sent again makes nobody twice", () => {
    const bench = new Bench();
    bench.create(3);
    bench.started(3);
    const again = bench.create(3);
    expect(again.filter(({ type }) => type === "persistActor")).toEqual([]);
    expect(sendsOf(again).map(({ method }) => method)).toEqual(["actorStatuses"]);
    expect(bench.states()).toEqual(["ALIVE", "ALIVE", "ALIVE"]);
  });

  test("of an owner that is dead they are dead at once", () => {
    const bench = new Bench();
    const exited = { nodeId: N1, workerId: common.owner, jobId: J1, actorId: null, incarnation: 0 };
    bench.step({ type: "workerExited", requestId: "x", ...exited, intended: false, cause: CRASH });
    bench.create(2);
    expect(bench.states()).toEqual(["DEAD", "DEAD"]);
  });
});

describe("ends", () => {
  test("a host's crash restarts some and ends others, in one order and one word of each kind", () => {
    const bench = new Bench();
    bench.create(100, (n) => ({ maxRestarts: n % 2 }));
    bench.started(100);
    const actors = Array.from({ length: 100 }, (_, n) => [idOf(n), 1] as const);
    const ended = { nodeId: N1, actors, intended: false, cause: CRASH };
    const effects = bench.step({ type: "actorsEnded", requestId: "ended", ...ended });
    const sends = sendsOf(effects);
    expect(sends.filter(({ method }) => method === "startActors")).toMatchObject([
      { params: { actorIds: { length: 50 }, incarnations: { 0: 2 }, restarted: { 0: true } } },
    ]);
    const states = sends.filter(({ method }) => method === "actorStatuses").map(({ params }) =>
      (params as { common: { state: string } }).common.state
    );
    expect(states.sort()).toEqual(["DEAD", "RESTARTING"]);
    // Told again, and of an incarnation that is over: nothing.
    expect(sendsOf(bench.step({ type: "actorsEnded", requestId: "again", ...ended }))).toEqual([]);
    expect(bench.states().filter((state) => state === "RESTARTING").length).toBe(50);
  });

  test("many that go out of scope are stopped together, and each is dead when its end is told", () => {
    const bench = new Bench();
    bench.create(20);
    bench.started(20);
    const events = Array.from(
      { length: 20 },
      (_, n) => ({ type: "actorOutOfScope" as const, actorId: idOf(n) }),
    );
    const effects = bench.step({ type: "actorEvents", requestId: "scope", events });
    expect(sendsOf(effects)).toMatchObject([
      {
        method: "stopActors",
        params: { graceful: true, cause: { code: "OUT_OF_SCOPE" }, actors: { length: 20 } },
      },
    ]);
    const actors = Array.from({ length: 20 }, (_, n) => [idOf(n), 1] as const);
    bench.step({ type: "actorsEnded", requestId: "e", nodeId: N1, actors, intended: true, cause: CRASH });
    expect(new Set(bench.states())).toEqual(new Set(["DEAD"]));
    expect(bench.gcs.actors.record(idOf(0))?.status.deathCause?.code).toBe("OUT_OF_SCOPE");
  });

  test("whoever kills one is answered after its node and its watchers were told", () => {
    const bench = new Bench();
    bench.create(1);
    bench.started(1);
    const effects = bench.step({ type: "killActor", requestId: "kill", actorId: idOf(0), noRestart: true });
    const words = effects.filter(({ type }) => type === "send" || type === "reply");
    expect(words.map((each) => each.type === "send" ? each.method : each.type)).toEqual([
      "stopActors",
      "actorStatuses",
      "reply",
    ]);
  });
});
