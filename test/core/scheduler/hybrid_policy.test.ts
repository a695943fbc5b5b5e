/**
 * Goal: the default strategy as one node decides it: work stays up to half of the node, then the global scheduler has a
 * word, and never costs more than a moment. Method: whole effect lists of the machine.
 */
import { describe, test } from "bun:test";
import { strict as assert } from "node:assert";
import type { ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { LeaseRequest } from "../../../runtime/common/task_spec.ts";
import { LocalScheduler } from "../../../runtime/core/scheduler/local_scheduler.ts";
import type {
  LocalSchedulerEffect,
  LocalSchedulerEvent,
} from "../../../runtime/core/scheduler/local_scheduler_types.ts";
import { HERE, leaseRequest, THERE } from "./local_scheduler_world.ts";

/** A node with workers that come up at once, and a peer. */
class Node {
  readonly machine: LocalScheduler;
  nowMs: number = 1_000;
  #sequence: number = 0;

  constructor(resources: Record<string, number>) {
    this.machine = new LocalScheduler({
      nodeId: HERE,
      leaseIdPrefix: "l",
      resources: toUnits(resources),
      labels: {},
    });
    this.send({ type: "peersChanged", alive: [HERE, THERE] });
  }

  send(...events: LocalSchedulerEvent[]): string[] {
    const said: string[] = [];
    const perform = (effects: readonly LocalSchedulerEffect[]): void => {
      this.machine.check();
      for (const effect of effects) {
        if (effect.type === "startWorker") {
          const workerId = `w-${effect.startId}` as ProcessId;
          perform(this.machine.step(this.nowMs, { type: "workerReady", startId: effect.startId, workerId }));
        }
        if (effect.type === "grant") said.push(`grant ${effect.request.requestId}`);
        if (effect.type === "forward") said.push(`forward ${effect.request.requestId}`);
        if (effect.type === "cancelPick") said.push(`cancel ${effect.requestId}`);
        if (effect.type === "pickNode") {
          said.push(`${effect.optional === true ? "maybe" : "ask"} ${effect.request.requestId}`);
        }
      }
    };
    perform(this.machine.stepAll(this.nowMs, events));
    return said.sort();
  }

  /** So many tasks ask together. */
  ask(count: number, changes: Partial<LeaseRequest> & { cpu?: number } = {}): string[] {
    return this.send(...Array.from({ length: count }, () => this.#request(changes)));
  }

  tick(ms: number): string[] {
    this.nowMs += ms;
    return this.send({ type: "timer" });
  }

  #request(changes: Partial<LeaseRequest> & { cpu?: number }): LocalSchedulerEvent {
    const request = leaseRequest({ requestId: `r${++this.#sequence}`, ...changes });
    return { type: "leaseRequested", request, origin: "own", missingBytes: 0 };
  }
}

const picked = (requestId: string, nodeId: typeof HERE): LocalSchedulerEvent => ({
  type: "nodePicked",
  key: `d-1/${requestId}`,
  nodeId,
});

describe("the default strategy", () => {
  test("SCHED-01 work stays up to half of the node, also when it comes at once; then it goes where it is sent", () => {
    const node = new Node({ CPU: 4 });
    assert.deepEqual(node.ask(4), ["grant r1", "grant r2", "maybe r3", "maybe r4"]);
    assert.deepEqual(node.send(picked("r3", THERE)), ["forward r3"]);
    assert.deepEqual(node.send(picked("r4", HERE)), ["grant r4"]);
    // One by one it is the same.
    const other = new Node({ CPU: 4 });
    assert.deepEqual([other.ask(1), other.ask(1), other.ask(1)], [["grant r1"], ["grant r2"], ["maybe r3"]]);
  });

  test("SCHED-02 work one by one stays", () => {
    const node = new Node({ CPU: 4 });
    for (let n = 1; n <= 20; n++) {
      assert.deepEqual(node.ask(1), [`grant r${n}`]);
      node.send({ type: "leaseReturned", leaseId: `l${n}`, discardWorker: false });
    }
  });

  test("the share before the request counts: one that needs the whole idle node stays", () => {
    assert.deepEqual(new Node({ CPU: 4 }).ask(1, { cpu: 4 }), ["grant r1"]);
  });

  test("CPU, memory and what is asked for count, not what others use up", () => {
    const node = new Node({ CPU: 8, GPU: 1, disk: 2, memory: 100 });
    assert.deepEqual(node.ask(1, { resources: toUnits({ GPU: 1 }) }), ["grant r1"]);
    assert.deepEqual(node.ask(1), ["grant r2"]);
    assert.deepEqual(node.ask(2, { resources: toUnits({ disk: 1 }) }), ["grant r3", "maybe r4"]);
    assert.deepEqual(node.ask(1), ["grant r5"]);
    assert.deepEqual(node.ask(1, { resources: toUnits({ memory: 50 }) }), ["grant r6"]);
    assert.deepEqual(node.ask(1), ["maybe r7"]);
  });

  test("alone, or with its arguments here, nobody is asked", () => {
    const node = new Node({ CPU: 4 });
    node.ask(2);
    const args = [{ id: "o-1" as ObjectId, home: HERE, bytes: 1_000 }];
    node.ask(1, { args });
    assert.deepEqual(node.send({ type: "argumentsReady", key: "d-1/r3" }), ["grant r3"]);
    const alone = new Node({ CPU: 4 });
    alone.send({ type: "peersChanged", alive: [HERE] });
    assert.deepEqual(alone.ask(4), ["grant r1", "grant r2", "grant r3", "grant r4"]);
  });

  test("a global scheduler that does not answer is waited for once, then not asked for a second", () => {
    const node = new Node({ CPU: 8 });
    node.ask(4);
    assert.deepEqual(node.ask(1), ["maybe r5"]);
    assert.deepEqual(node.tick(49), []);
    assert.deepEqual(node.tick(1), ["cancel r5", "grant r5"]);
    assert.deepEqual(node.ask(1), ["grant r6"]);
    node.tick(1_000);
    assert.deepEqual(node.ask(1), ["maybe r7"]);
  });

  test("one that cannot be reached keeps nothing from running here", () => {
    const node = new Node({ CPU: 4 });
    node.ask(3);
    const failed = { type: "pickFailed", key: "d-1/r3", fatal: false, code: "X", message: "away" } as const;
    assert.deepEqual(node.send(failed), ["grant r3"]);
  });
});
