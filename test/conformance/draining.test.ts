/** Nodes that leave in order: no new work, running work to its end or the deadline, objects and actors elsewhere. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  ActorDiedError,
  ActorUnschedulableError,
  drainNode,
  get,
  type HandleOf,
  listActors,
  ready,
  release,
  remote,
  shutdown,
  TaskUnschedulableError,
  wait,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { NodeRow } from "../../runtime/protocol/messages.ts";
import { Signal, Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, firstNodeId, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  await startCases();
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const here = () => ({ schedulingStrategy: { nodeId: firstNodeId() } });
const at = (nodeId: string, soft = false) => ({ schedulingStrategy: { nodeId, soft } });
const nodeOf = remote(async () => (await import("mobula")).runtimeContext().nodeId);
/** Says that it runs, runs until the gate opens, says where. */
const hold = remote(async (tally: HandleOf<typeof Tally>, gate: HandleOf<typeof Signal>) => {
  const { get, runtimeContext } = await import("mobula");
  await get(tally.add.remote(runtimeContext().nodeId));
  await get(gate.wait.remote());
  return runtimeContext().nodeId;
});
const Where = remote(
  class Where {
    async node(): Promise<string> {
      return (await import("mobula")).runtimeContext().nodeId;
    }
  },
);

async function rowOf(nodeId: string): Promise<NodeRow> {
  const { result } = await currentDriver()!.core.link.request("head", { method: "nodes", params: {} });
  return (result as { nodes: NodeRow[] }).nodes.find((row) => row.nodeId === nodeId)!;
}

async function leaves(nodeId: string): Promise<NodeRow> {
  return await waitFor(`${nodeId} has left`, async () => {
    const row = await rowOf(nodeId);
    return row.state === "DEAD" && row;
  }, 15_000);
}

test("SCHED-13 nothing new goes to a draining node, and what runs there goes on to its end", async () => {
  const node = await addNode({ numCpus: 4 });
  const tally = Tally.options(here()).remote();
  const gate = Signal.options(here()).remote();
  const running = hold.options(at(node.nodeId)).remote(tally, gate);
  await waitFor("it runs there", async () => await get(tally.read.remote()) === 1);
  // A lease that its submitter keeps for reuse.
  expect(await get(nodeOf.options(at(node.nodeId, true)).remote())).toBe(node.nodeId);

  expect(await drainNode(node.nodeId, { deadlineMs: 60_000, reason: "repair" })).toBe(true);
  expect(await rowOf(node.nodeId)).toMatchObject({ state: "ALIVE", drain: { reason: "repair" } });
  await waitFor(
    "the kept lease is given back",
    async () => await get(nodeOf.options(at(node.nodeId, true)).remote()) !== node.nodeId,
  );
  const strategies = [{}, { schedulingStrategy: "SPREAD" }, at(node.nodeId, true)] as const;
  const tasks = strategies.flatMap((options) =>
    Array.from({ length: 5 }, () => nodeOf.options({ ...options, numCpus: 0.1 }).remote())
  );
  const actors = strategies.map((options) => Where.options({ ...options, numCpus: 0 }).remote());
  const places = await get([...tasks, ...actors.map((actor) => actor.node.remote())]);
  expect(new Set(places)).toEqual(new Set([firstNodeId()]));
  const error = await rejection(get(nodeOf.options(at(node.nodeId)).remote()));
  expect(error).toBeInstanceOf(TaskUnschedulableError);
  expect(error.message).toContain("draining");
  const lost = Where.options(at(node.nodeId)).remote();
  expect(await rejection(ready(lost))).toBeInstanceOf(ActorUnschedulableError);

  expect((await rowOf(node.nodeId)).state).toBe("ALIVE");
  await get(gate.send.remote());
  expect(await get(running)).toBe(node.nodeId);
  // Idle now, it does not wait for its deadline.
  expect((await leaves(node.nodeId)).stateMessage).toContain("drained: repair");
  for (const handle of [tally, gate, ...actors]) release(handle);
}, 30_000);

test(
  "what runs at the deadline starts again elsewhere at no cost, or ends with the reason; objects are moved",
  async () => {
    const node = await addNode({ numCpus: 4 });
    const tally = Tally.options(here()).remote();
    const gate = Signal.options(here()).remote();
    const soft = at(node.nodeId, true);
    const make = remote(() => new Uint8Array(1 << 20).fill(7), at(node.nodeId));
    const small = remote(() => [1, 2, 3], at(node.nodeId));
    const value = make.remote();
    const few = small.remote();
    await wait([value, few], { numReturns: 2, fetchLocal: false });
    const mortal = Where.options(soft).remote();
    const lasting = Where.options({ ...soft, maxRestarts: 1, maxTaskRetries: -1 }).remote();
    expect(await get([mortal.node.remote(), lasting.node.remote()])).toEqual([node.nodeId, node.nodeId]);
    const running = hold.options({ ...soft, maxRetries: 1 }).remote(tally, gate);
    await waitFor("it runs there", async () => await get(tally.read.remote()) === 1);
    expect(await drainNode(node.nodeId, { deadlineMs: 500 })).toBe(true);
    expect((await leaves(node.nodeId)).stateMessage).toContain("drained");

    const error = await rejection<ActorDiedError>(get(mortal.node.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.preempted).toBe(true);
    expect(error.message).toContain("drained");
    expect(await get(lasting.node.remote())).toBe(firstNodeId());
    const rows = await listActors({ filters: ["className=Where", "state=ALIVE"] });
    expect(rows.map((row) => [row["maxRestarts"], row["numRestarts"]])).toContainEqual([1, 0]);
    await waitFor("the task runs again", async () => await get(tally.read.remote()) === 2);
    await get(gate.send.remote());
    expect(await get(running)).toBe(firstNodeId());
    expect((await get(value)).every((byte) => byte === 7)).toBe(true);
    expect(await get(few)).toEqual([1, 2, 3]);
    for (const handle of [tally, gate, lasting]) release(handle);
  },
  30_000,
);

test("SCHED-14 an idle-only drain is refused while something runs; a dead node's is accepted", async () => {
  const node = await addNode({ numCpus: 1 });
  const tally = Tally.options(here()).remote();
  const gate = Signal.options(here()).remote();
  const running = hold.options(at(node.nodeId)).remote(tally, gate);
  await waitFor("it runs there", async () => await get(tally.read.remote()) === 1);
  await waitFor("the head knows", async () => (await rowOf(node.nodeId)).leases > 0);
  expect(await drainNode(node.nodeId, { ifIdle: true, reason: "idle" })).toBe(false);
  expect((await rowOf(node.nodeId)).drain).toBeUndefined();
  await get(gate.send.remote());
  expect(await get(running)).toBe(node.nodeId);
  await waitFor("it is accepted", () => drainNode(node.nodeId, { ifIdle: true, reason: "nobody needs it" }));
  expect((await leaves(node.nodeId)).stateMessage).toContain("nobody needs it");
  expect(await drainNode(node.nodeId, { ifIdle: true })).toBe(true);
  expect((await rejection(drainNode("n-none"))).message).toContain("no such node");
  expect((await rejection(drainNode(firstNodeId()))).message).toContain("head");
  expect(await rejection(drainNode(node.nodeId, { deadlineMs: -1 }))).toBeInstanceOf(RangeError);
  expect(await rejection(drainNode(node.nodeId, { deadline: 5 } as never))).toBeInstanceOf(TypeError);
  release(tally);
  release(gate);
}, 30_000);

test("SCHED-16 a node that dies before its deadline died unexpectedly, and preempted nobody", async () => {
  const node = await addNode({ numCpus: 2 });
  const actor = Where.options(at(node.nodeId)).remote();
  expect(await get(actor.node.remote())).toBe(node.nodeId);
  expect(await drainNode(node.nodeId, { deadlineMs: 60_000, reason: "repair" })).toBe(true);
  await endProcess(node.pid);
  expect((await leaves(node.nodeId)).stateMessage).toContain("unexpected");
  const error = await rejection<ActorDiedError>(get(actor.node.remote()));
  expect(error).toBeInstanceOf(ActorDiedError);
  expect(error.preempted).toBe(false);
}, 30_000);

test("a drain survives kill -9 of the head", async () => {
  const node = await addNode({ numCpus: 2 });
  const tally = Tally.options(here()).remote();
  const gate = Signal.options(here()).remote();
  const running = hold.options(at(node.nodeId)).remote(tally, gate);
  await waitFor("it runs there", async () => await get(tally.read.remote()) === 1);
  expect(await drainNode(node.nodeId, { deadlineMs: 60_000, reason: "repair" })).toBe(true);
  const { local } = currentDriver()!;
  await endProcess(local!.head.ready.pid);
  await local!.startHead();
  await waitFor("the node is back", async () => (await rowOf(node.nodeId)).state === "ALIVE");
  expect(await rowOf(node.nodeId)).toMatchObject({ drain: { reason: "repair" } });
  expect((await rejection(get(nodeOf.options(at(node.nodeId)).remote()))).message).toContain("draining");
  await get(gate.send.remote());
  expect(await get(running)).toBe(node.nodeId);
  expect((await leaves(node.nodeId)).stateMessage).toContain("drained: repair");
  release(tally);
  release(gate);
}, 30_000);
