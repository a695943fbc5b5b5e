/** The two journeys of the design (section 3) over two nodes: where tasks go, what moves, and what the traces say. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, init, listObjects, type ObjectRef, put, release, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { NodeId, TaskId } from "../../runtime/common/ids.ts";
import type { TraceStep } from "../../runtime/common/task_event.ts";
import type { HeadMethods } from "../../runtime/protocol/messages.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
/** The driver's node, and the other one. */
let here: NodeId;
let there: NodeId;

beforeAll(async () => {
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 256 << 20 });
  const local = currentDriver()!.local!;
  here = local.agents[0]!.ready.nodeId as NodeId;
  // One CPU: when a task ends there, its submitter's idle lease still holds it for a while.
  there = (await local.addAgent({ numCpus: 1, objectStoreBytes: 256 << 20 })).ready.nodeId as NodeId;
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const make = remote((bytes: number) => new Uint8Array(bytes).fill(7));
/** Where it ran, and proof that it had the bytes. */
const measure = remote(async (bytes: Uint8Array) => {
  const { runtimeContext } = await import("mobula");
  return { nodeId: runtimeContext().nodeId, length: bytes.length, last: bytes[bytes.length - 1] };
});
const at = (nodeId: string) => ({ schedulingStrategy: { nodeId } });

/** The steps of the task that makes this object, once the GCS has its record. */
async function traceOf(ref: ObjectRef<unknown>): Promise<TraceStep[]> {
  const taskId = `t${ref.id.slice(1, ref.id.lastIndexOf("."))}` as TaskId;
  let count = -1;
  return await waitFor(`the trace of ${taskId}`, async () => {
    const params = { method: "trace", params: { taskId } };
    const { steps } = (await currentDriver()!.core.link.request("head", params))
      .result as HeadMethods["trace"]["result"];
    // Several processes report: complete when the record is there and nothing new came since the last look.
    const isComplete = steps.length === count && steps.some((step) => step.name === "record");
    count = steps.length;
    if (!isComplete) await new Promise((resolve) => setTimeout(resolve, 250));
    return isComplete && steps;
  });
}

function of(journey: TraceStep["journey"], steps: readonly TraceStep[]): string[] {
  return steps.filter((step) => step.journey === journey).map((step) => `${step.step} ${step.name}`);
}

/** Bytes that the traces saw leave a node for another one. */
function pulled(...traces: TraceStep[][]): number[] {
  return traces.flat().filter((step) => step.name === "pull").map((step) =>
    Number(/ (\d+) bytes from/.exec(` ${step.detail}`)![1])
  );
}

async function holders(ref: ObjectRef<unknown>): Promise<unknown> {
  const [row] = await listObjects({ filters: [`objectId=${ref.id}`] });
  return row?.nodes;
}

test(
  "SCHED-04 a task goes to its 64 MB argument, and no byte of it crosses; pinned elsewhere, it crosses once",
  async () => {
    const big = make.options(at(there)).remote(64 << 20);
    // Submitted before there is anything to see: it waits for the argument, then goes where that is.
    const near = measure.remote(big);
    expect(await get(near)).toEqual({ nodeId: there, length: 64 << 20, last: 7 });
    expect(await holders(big)).toEqual([there]);
    expect(pulled(await traceOf(big), await traceOf(near))).toEqual([]);

    const pinned = [1, 2].map(() => measure.options(at(here)).remote(big));
    const place = { nodeId: here, length: 64 << 20, last: 7 };
    expect(await get(pinned)).toEqual([place, place]);
    const [bytes, ...more] = pulled(...await Promise.all(pinned.map(traceOf)));
    expect(more).toEqual([]);
    // The value, and a page of layout at the most.
    expect(bytes! - (64 << 20)).toBeGreaterThanOrEqual(0);
    expect(bytes! - (64 << 20)).toBeLessThanOrEqual(32 << 10);
    expect(await holders(big)).toEqual([there, here]);

    // Now that both have it, the driver's own node is as good.
    release(big);
    await waitFor("all copies are gone", async () => (await holders(big)) === undefined);
  },
  30_000,
);

test("submit: every step of the design, in order, for a task that runs elsewhere on an argument from here", async () => {
  const argument = await put(new Uint8Array(4 << 20).fill(9));
  const away = remote(async (bytes: Uint8Array) => bytes.map((byte) => byte + 1));
  const result = away.options(at(there)).remote(argument);
  expect((await get(result))[5]).toBe(10);
  const steps = await traceOf(result);
  expect(of("submit", steps)).toEqual([
    "1 export",
    "2 leaseRequest",
    "3 handOver",
    "4 globalPick",
    "4 spillback",
    "5 argsLookup",
    "6 pull",
    "7 grant",
    "7 push",
    "7 run",
    "8 result",
    "8 record",
  ]);
  const nodeOf = (name: string) =>
    steps.find((step) => step.journey === "submit" && step.name === name)!.nodeId;
  for (const name of ["export", "leaseRequest", "handOver", "spillback"]) expect(nodeOf(name)).toBe(here);
  for (const name of ["argsLookup", "pull", "grant", "run", "result"]) expect(nodeOf(name)).toBe(there);
  expect(steps.find((step) => step.name === "pull")!.detail).toContain(`from ${here}`);
  expect(steps.find((step) => step.name === "globalPick")!.detail).toContain(there);
  // The driver's get of a large result that is on the other node.
  expect(of("get", steps)).toEqual(["1 ask", "2 lookup", "4 pull", "4 wake"]);
  release(argument);
});

test("submit: the steps of a task that stays here", async () => {
  const argument = await put(new Uint8Array(4 << 20));
  const near = remote((bytes: Uint8Array) => bytes.length);
  const result = near.remote(argument);
  expect(await get(result)).toBe(4 << 20);
  const steps = of("submit", await traceOf(result));
  expect(steps.filter((step) => step !== "3 localGrant")).toEqual([
    "1 export",
    "2 leaseRequest",
    "5 argsLocal",
    "7 grant",
    "7 push",
    "7 run",
    "8 result",
    "8 record",
  ]);
  // The argument is pinned before the grant: too close to tell, or really first where the machine is busy.
  expect([2, 3]).toContain(steps.indexOf("3 localGrant"));
  release(argument);
});

test("get: every step of the design, in order, for a result that does not exist yet", async () => {
  const gate = Signal.remote();
  const late = remote(async (gate: ReturnType<typeof Signal.remote>) => {
    const { get } = await import("mobula");
    await get(gate.wait.remote());
    return new Uint8Array(1 << 20).fill(3);
  });
  const reader = remote(async (box: ObjectRef<Uint8Array>[]) => {
    const { get } = await import("mobula");
    return (await get(box[0]!))[1];
  });
  const result = late.options(at(there)).remote(gate);
  const read = reader.options(at(here)).remote([result]);
  await waitFor("the producer runs", async () => await get(gate.waiters.remote()) === 1);
  // The GCS keeps the reader's question as soon as it has asked; only then may the result come.
  await waitFor("the reader has asked", async () => {
    const params = { method: "trace", params: { taskId: `t${result.id.slice(1, -2)}` as TaskId } };
    const { steps } = (await currentDriver()!.core.link.request("head", params))
      .result as HeadMethods["trace"]["result"];
    return steps.some((step) => step.name === "lookup");
  });
  await get(gate.send.remote());
  expect(await get(read)).toBe(3);
  const steps = await traceOf(result);
  expect(of("get", steps)).toEqual(["1 ask", "2 lookup", "3 callback", "4 pull", "4 wake"]);
  for (const step of steps) if (step.journey === "get") expect(step.nodeId).toBe(here);
  release(gate);
});
