/** The node manager, event by event: whole effect lists compared, invariants checked after each step. */
import { describe, expect, test } from "bun:test";
import {
  HEARTBEAT_INTERVAL_MS,
  NODE_DEAD_AFTER_MS,
  NODE_RECONNECT_MS,
  NODE_SUSPECT_AFTER_MS,
} from "../../../runtime/common/config.ts";
import type { NodeId } from "../../../runtime/common/ids.ts";
import {
  DEAD_NODES_KEPT,
  type NodeEffect,
  type NodeEvent,
  NodeManager,
  NODES_TOLD_AT_ONCE,
} from "../../../runtime/core/gcs/node_manager.ts";
import { heartbeat, N1, N2, registration, typesOf } from "./fixtures.ts";

class Bench {
  readonly machine: NodeManager;
  nowMs: number = 1_000_000;

  constructor(machine: NodeManager = new NodeManager()) {
    this.machine = machine;
  }

  step(event: NodeEvent): readonly NodeEffect[] {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    return effects;
  }

  register(changes: Parameters<typeof registration>[0] = {}, connection: number = 1): readonly NodeEffect[] {
    return this.step({
      type: "registerNode",
      requestId: "q",
      connection,
      registration: registration(changes),
    });
  }

  /** Ticks at their proper times for so long; returns what they caused. */
  ticks(ms: number): NodeEffect[] {
    const out: NodeEffect[] = [];
    for (let at = 0; at < ms; at += HEARTBEAT_INTERVAL_MS) {
      this.nowMs += HEARTBEAT_INTERVAL_MS;
      out.push(...this.step({ type: "tick" }));
    }
    return out;
  }
}

function died(effects: readonly NodeEffect[]): (string | undefined)[] {
  return effects.filter((effect) => effect.type === "nodeDied").map((effect) => effect.reason);
}

describe("registration", () => {
  test("a new node is persisted, accepted and published, in this order", () => {
    const bench = new Bench();
    const said = registration();
    const { objects: _o, actors: _a, drivers: _d, ...facts } = said;
    expect(bench.register()).toEqual([
      {
        type: "persistNode",
        record: {
          facts,
          state: "ALIVE",
          stateMessage: "",
          startedMs: bench.nowMs,
          endedMs: null,
          drain: null,
        },
      },
      { type: "nodeAccepted", requestId: "q", connection: 1, registration: said, rejoined: false },
      { type: "publishNodes" },
    ]);
    expect(bench.machine.rows()[0]).toMatchObject({ nodeId: N1, state: "ALIVE", available: said.resources });
  });

  test("the same incarnation on a new connection replaces the half-open one, whose late close does not count", () => {
    const bench = new Bench();
    bench.register();
    const effects = bench.register({}, 2);
    expect(typesOf(effects)).toEqual(["closeConnection", "persistNode", "nodeAccepted", "publishNodes"]);
    expect(effects[0]).toEqual({
      type: "closeConnection",
      connection: 1,
      fenced: false,
      reason: "the agent connected again",
    });
    expect(effects[2]).toMatchObject({ rejoined: true });
    expect(bench.step({ type: "connectionClosed", connection: 1 })).toEqual([]);
    expect(bench.machine.state(N1)).toBe("ALIVE");
  });

  test("a higher epoch ends the one before, and that epoch is refused from then on", () => {
    const bench = new Bench();
    bench.register();
    const effects = bench.register({ epoch: 2 }, 2);
    expect(typesOf(effects)).toEqual([
      "persistNode",
      "closeConnection",
      "nodeDied",
      "persistNode",
      "nodeAccepted",
      "publishNodes",
    ]);
    expect(effects[1]).toMatchObject({ connection: 1, fenced: true });
    expect(effects[4]).toMatchObject({ rejoined: false });
    const refused = bench.register({ epoch: 1 }, 3);
    expect(refused).toEqual([{
      type: "nodeRefused",
      requestId: "q",
      connection: 3,
      code: "NodeDiedError",
      message: "Cannot register n-1 as epoch 1: a newer one is a member",
    }]);
    expect(bench.machine.isMember(N1, 2)).toBe(true);
  });

  test("a dead epoch is fenced, the next one is welcome", () => {
    const bench = new Bench();
    bench.register();
    bench.step({ type: "unregisterNode", nodeId: N1, epoch: 1, reason: "it left" });
    expect(bench.register({}, 2)).toMatchObject([{ type: "nodeRefused", code: "NodeDiedError" }]);
    expect(bench.register({ epoch: 2 }, 3)).toMatchObject([{}, { rejoined: false }, {}]);
  });
});

describe("liveness", () => {
  test("silence makes a suspect, a heartbeat clears it, longer silence is death", () => {
    const bench = new Bench();
    bench.register();
    expect(typesOf(bench.ticks(NODE_SUSPECT_AFTER_MS))).toEqual(["nodeStateChanged", "publishNodes"]);
    expect(bench.machine.state(N1)).toBe("SUSPECT");
    expect(bench.step({ type: "heartbeatReceived", heartbeat: heartbeat() })).toEqual([
      { type: "nodeStateChanged", nodeId: N1, state: "ALIVE" },
      { type: "publishNodes" },
      { type: "heartbeatAccepted", heartbeat: heartbeat() },
    ]);
    const effects = bench.ticks(NODE_DEAD_AFTER_MS);
    expect(typesOf(effects)).toEqual([
      "nodeStateChanged",
      "publishNodes",
      "persistNode",
      "closeConnection",
      "nodeDied",
      "publishNodes",
    ]);
    expect(died(effects)).toEqual([`no heartbeat for ${NODE_DEAD_AFTER_MS} ms`]);
  });

  test("a heartbeat that is old, doubled, or of another epoch proves nothing", () => {
    const bench = new Bench();
    bench.register();
    bench.step({ type: "heartbeatReceived", heartbeat: heartbeat({ sequence: 5 }) });
    bench.ticks(NODE_SUSPECT_AFTER_MS);
    for (const late of [{ sequence: 5 }, { sequence: 4 }, { sequence: 9, epoch: 2 }, { nodeId: N2 }]) {
      expect(bench.step({ type: "heartbeatReceived", heartbeat: heartbeat(late) })).toEqual([]);
    }
    expect(bench.machine.state(N1)).toBe("SUSPECT");
  });

  test("a closed connection is death after the reconnect grace, unless heartbeats show that the process lives", () => {
    const bench = new Bench();
    bench.register();
    bench.register({ nodeId: N2 }, 2);
    bench.nowMs += 10;
    for (const connection of [1, 2]) {
      expect(typesOf(bench.step({ type: "connectionClosed", connection }))).toEqual([
        "nodeStateChanged",
        "publishNodes",
      ]);
    }
    const effects: NodeEffect[] = [];
    for (let sequence = 1; sequence <= 8; sequence++) {
      effects.push(...bench.ticks(HEARTBEAT_INTERVAL_MS));
      bench.step({ type: "heartbeatReceived", heartbeat: heartbeat({ nodeId: N2, sequence }) });
    }
    expect(died(effects)).toEqual([
      `its connection closed and it did not come back in ${NODE_RECONNECT_MS} ms`,
    ]);
    expect(bench.machine.state(N2)).toBe("SUSPECT");
    expect(died(bench.ticks(NODE_DEAD_AFTER_MS))).toHaveLength(1);
  });

  test("a head that stood still gives every node the time that it lost itself", () => {
    const bench = new Bench();
    bench.register();
    bench.ticks(HEARTBEAT_INTERVAL_MS);
    bench.nowMs += 60_000;
    expect(died(bench.step({ type: "tick" }))).toEqual([]);
    expect(bench.machine.state(N1)).toBe("ALIVE");
    expect(died(bench.ticks(NODE_DEAD_AFTER_MS))).toHaveLength(1);
  });

  test("after a head's restart the nodes of the store are suspects with a grace", () => {
    const before = new Bench();
    before.register();
    before.register({ nodeId: N2 }, 2);
    before.step({ type: "unregisterNode", nodeId: N2, epoch: 1, reason: "it left" });
    const records = before.machine.rows().map((row) => ({
      facts: before.machine.facts(row.nodeId)!,
      state: row.state,
      stateMessage: row.stateMessage,
      startedMs: row.startedMs,
      endedMs: row.state === "DEAD" ? before.nowMs : null,
      drain: row.drain ?? null,
    }));
    const bench = new Bench(new NodeManager(1_000_000, records));
    bench.machine.check();
    expect(bench.machine.members()).toEqual([N1]);
    expect(bench.machine.state(N1)).toBe("SUSPECT");
    // The fence survives the restart.
    expect(bench.register({ nodeId: N2 }, 3)).toMatchObject([{ type: "nodeRefused" }]);
    expect(bench.register({}, 4)).toMatchObject([{}, { rejoined: true }, {}]);
    const alone = new Bench(new NodeManager(1_000_000, records));
    expect(died(alone.ticks(NODE_DEAD_AFTER_MS))).toHaveLength(1);
  });
});

describe("a drain", () => {
  const order = {
    type: "drainNode",
    requestId: "q",
    nodeId: N1,
    deadlineMs: 5_000,
    reason: "repair",
    busy: null,
  } as const;

  test("is persisted, told and published before it is answered; the node stays a member", () => {
    const bench = new Bench();
    bench.register();
    expect(bench.step(order)).toMatchObject([
      { type: "persistNode", record: { drain: { reason: "repair", deadlineMs: bench.nowMs + 5_000 } } },
      { type: "nodeDraining", nodeId: N1, remainingMs: 5_000, reason: "repair" },
      { type: "publishNodes" },
      { type: "drainAnswered", accepted: true },
    ]);
    expect(bench.machine.rows()[0]).toMatchObject({ state: "ALIVE", drain: { reason: "repair" } });
  });

  test("an unknown node and the head's are errors, a busy one is refused, a dead one is as wanted", () => {
    const bench = new Bench();
    bench.register();
    bench.register({ nodeId: N2, isHeadNode: true }, 2);
    expect(bench.step({ ...order, nodeId: "n-none" as typeof N1 })).toMatchObject([{ type: "drainRefused" }]);
    expect(bench.step({ ...order, nodeId: N2 })).toMatchObject([{ type: "drainRefused" }]);
    expect(bench.step({ ...order, busy: "CPU is in use" })).toMatchObject([{ accepted: false }]);
    expect(bench.machine.drainOf(N1)).toBeNull();
    bench.step({ type: "unregisterNode", nodeId: N1, epoch: 1, reason: "it left" });
    expect(bench.step({ ...order, busy: "x" })).toMatchObject([{ accepted: true }]);
  });

  test("survives the head and the node's connection, not the node's next incarnation", () => {
    const bench = new Bench();
    bench.register();
    bench.step(order);
    bench.nowMs += 1_000;
    const again = bench.register({}, 2);
    expect(again.find(({ type }) => type === "nodeDraining")).toMatchObject({ remainingMs: 4_000 });
    expect(bench.register({ epoch: 2 }, 3).some(({ type }) => type === "nodeDraining")).toBe(false);
    expect(bench.machine.drainOf(N1)).toBeNull();
  });

  test("an end that comes before is called unexpected", () => {
    const bench = new Bench();
    bench.register();
    bench.step(order);
    bench.step({ type: "connectionClosed", connection: 1 });
    const death = bench.ticks(NODE_DEAD_AFTER_MS).find(({ type }) => type === "nodeDied");
    expect(death).toMatchObject({ nodeId: N1, reason: expect.stringContaining("unexpected") });
  });
});

describe("a clean leave", () => {
  test("is death at once, once", () => {
    const bench = new Bench();
    bench.register();
    const leave: NodeEvent = { type: "unregisterNode", nodeId: N1, epoch: 1, reason: "it left" };
    const effects = bench.step(leave);
    expect(typesOf(effects)).toEqual(["persistNode", "closeConnection", "nodeDied", "publishNodes"]);
    expect(died(effects)).toEqual(["it left"]);
    expect(bench.step(leave)).toEqual([]);
    expect(bench.machine.rows()[0]).toMatchObject({ state: "DEAD", available: {} });
  });

  test("the list of the dead is bounded", () => {
    const bench = new Bench();
    for (let index = 0; index <= DEAD_NODES_KEPT; index++) {
      const nodeId = `n-x${index}` as NodeId;
      bench.machine.step(bench.nowMs, {
        type: "registerNode",
        requestId: "q",
        connection: index,
        registration: registration({ nodeId }),
      });
      const leave: NodeEvent = { type: "unregisterNode", nodeId, epoch: 1, reason: "it left" };
      const effects = bench.machine.step(bench.nowMs, leave);
      if (index === DEAD_NODES_KEPT) {
        expect(effects).toContainEqual({ type: "forgetNode", nodeId: "n-x0" as NodeId });
      }
    }
    bench.machine.check();
  });
});

test("in a large cluster the list of nodes goes out once a tick", () => {
  const bench = new Bench();
  for (let index = 1; index <= NODES_TOLD_AT_ONCE; index++) {
    expect(typesOf(bench.register({ nodeId: `n-${index}` as NodeId }, index))).toContain("publishNodes");
  }
  for (let index = NODES_TOLD_AT_ONCE + 1; index <= 100; index++) {
    expect(typesOf(bench.register({ nodeId: `n-${index}` as NodeId }, index))).not.toContain("publishNodes");
  }
  expect(typesOf(bench.ticks(HEARTBEAT_INTERVAL_MS))).toEqual(["publishNodes"]);
  expect(typesOf(bench.ticks(HEARTBEAT_INTERVAL_MS))).toEqual([]);
});
