/**
 * One point of the curves, in a process and a cluster of its own:
 *
 *   case.ts NAME SIZE      prints one line of JSON: figures by name (see curves.ts)
 * @module
 */
import process from "node:process";
import { type ActorHandle, get, init, listNodes, type ObjectRef, put, ready, remote, shutdown } from "mobula";
import { check } from "../pools.ts";
import { costOf, idleShare, leastCostOf, memoryNow, pause } from "./meter.ts";

/** Microseconds (…Us), bytes (…Bytes) or shares of one processor (…Share), by name. */
export type Figures = Readonly<Record<string, number>>;

/** One: a second one would come into use at some sizes and not at others, and two share what comes in smaller pieces. */
const WORKERS = 1;
/** Before anything counts: until the code is compiled for good. */
const WARM_ROUNDS = 100;
const IN_FLIGHT = 1_000;
/** Small queues are filled again and again: so many tasks at any size. */
const QUEUED_TOGETHER = 1_000_000;
const QUEUED_REPETITIONS = 2;
const CALLS = 20_000;
/** Idle processes give memory back after a while. */
const SETTLE_MS = 2_000;

const echo = remote((value: number) => value);
const pid = remote(async () => {
  await new Promise((resolve) => setTimeout(resolve, 500));
  return process.pid;
});
class Cell {
  value = 0;
  set(value: number): number {
    return this.value = value;
  }
}
const Dedicated = remote(Cell, { numCpus: 0 });
const Light = remote(Cell, { isolation: "shared" });

type Call = (value: number) => ObjectRef<number>;
const callTask: Call = (value) => echo.remote(value);

/** `count` calls, `size` of them at a time. */
async function inFlight(call: Call, count: number, size: number = IN_FLIGHT): Promise<void> {
  for (let done = 0; done < count; done += size) {
    const refs = Array.from({ length: size }, (_, index) => call(index));
    check((await get(refs)).at(-1), size - 1);
    for (const ref of refs) ref.release();
  }
}

/** `size` calls queued in one go and then awaited, again and again, after as many that do not count. */
async function queued(call: Call, size: number): Promise<Figures> {
  const idle = await idleShare();
  await inFlight(call, WARM_ROUNDS * IN_FLIGHT);
  const fill = (): Promise<void> => inFlight(call, QUEUED_TOGETHER, size);
  await fill();
  return { ...await leastCostOf(QUEUED_TOGETHER, idle, fill, QUEUED_REPETITIONS) };
}

/** A task, a call to one actor and a call to each in turn, while `size` actors live. */
async function besideActors(create: () => ActorHandle<Cell>, size: number): Promise<Figures> {
  await inFlight(callTask, WARM_ROUNDS * IN_FLIGHT);
  const first = create();
  await ready(first);
  await inFlight((value) => first.set.remote(value), WARM_ROUNDS * IN_FLIGHT);
  const before = memoryNow();
  let actors = [first];
  const created = await costOf(Math.max(1, size - 1), 0, async () => {
    actors = [first, ...Array.from({ length: size - 1 }, create)];
    await Promise.all(actors.map((actor) => ready(actor)));
  });
  await pause(SETTLE_MS);
  const actorBytes = (memoryNow() - before) / Math.max(1, size - 1);
  const idle = await idleShare();
  const task = await leastCostOf(CALLS, idle, () => inFlight(callTask, CALLS));
  // The one whose code is compiled for good, as at every size.
  const call = await leastCostOf(CALLS, idle, () => inFlight((value) => first.set.remote(value), CALLS));
  const inTurn: Call = (value) => actors[value % size]!.set.remote(value);
  const each = await leastCostOf(CALLS, idle, () => inFlight(inTurn, CALLS));
  return {
    taskCpuUs: task.cpuUs,
    taskWallUs: task.wallUs,
    callCpuUs: call.cpuUs,
    callWallUs: call.wallUs,
    eachCpuUs: each.cpuUs,
    eachWallUs: each.wallUs,
    ...(size > 1 && { actorBytes, createCpuUs: created.cpuUs, createWallUs: created.wallUs }),
    idleShare: idle,
  };
}

/** A task on the driver's node and one on another node, while there are `size` nodes. */
async function besideNodes(size: number): Promise<Figures> {
  await inFlight(callTask, WARM_ROUNDS * IN_FLIGHT);
  const nodes = await listNodes({ limit: 1_000 });
  check(nodes.length, size);
  await pause(SETTLE_MS);
  const bytes = memoryNow();
  const idle = await idleShare();
  const [near, far] = [
    nodes.find(({ isHeadNode }) => isHeadNode),
    nodes.find(({ isHeadNode }) => !isHeadNode),
  ];
  const measure = async (nodeId: string) => {
    const there = echo.options({ schedulingStrategy: { nodeId } });
    const call: Call = (value) => there.remote(value);
    await inFlight(call, 2 * CALLS);
    return leastCostOf(CALLS, idle, () => inFlight(call, CALLS));
  };
  const here = await measure(near!.nodeId as string);
  const there = far === undefined ? null : await measure(far.nodeId as string);
  return {
    taskCpuUs: here.cpuUs,
    taskWallUs: here.wallUs,
    ...(there !== null && { farCpuUs: there.cpuUs, farWallUs: there.wallUs }),
    nodeBytes: bytes / size,
    idleShare: idle,
  };
}

/** What a queued task takes with its ref, and a kept ref alone: of a small result, and of a small put. */
async function refs(size: number): Promise<Figures> {
  await inFlight(callTask, WARM_ROUNDS * IN_FLIGHT);
  const before = memoryNow();
  const queue = Array.from({ length: size }, (_, index) => callTask(index));
  const queuedBytes = (memoryNow() - before) / size;
  await get(queue);
  for (const ref of queue) ref.release();
  queue.length = 0;
  const measure = async (make: () => Promise<ObjectRef<number>[]>) => {
    const before = await settledMemory();
    const made = await make();
    const bytes = (await settledMemory() - before) / size;
    for (const ref of made) ref.release();
    return bytes;
  };
  const resultBytes = await measure(async () => {
    const made = Array.from({ length: size }, (_, index) => callTask(index));
    await get(made);
    return made;
  });
  const putBytes = await measure(() => Promise.all(Array.from({ length: size }, (_, index) => put(index))));
  return { queuedBytes, resultBytes, putBytes };
}

/** After what is garbage has been collected. */
async function settledMemory(): Promise<number> {
  const collect = (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc;
  for (let round = 0; round < 2; round++) {
    collect?.(true);
    await pause(1_000);
  }
  return memoryNow();
}

/** What a worker takes that has run a task and idles. */
async function workers(size: number): Promise<Figures> {
  await get(pid.remote());
  const before = memoryNow();
  const pids = new Set(await get(Array.from({ length: size }, () => pid.remote())));
  check(pids.size >= size / 2, true);
  await pause(SETTLE_MS);
  return { workerBytes: (memoryNow() - before) / Math.max(1, pids.size - 1) };
}

const cases: Readonly<Record<string, (size: number) => Promise<Figures>>> = {
  tasks: (size) => queued(callTask, size),
  calls: async (size) => {
    const actor = Dedicated.remote();
    await ready(actor);
    return queued((value) => actor.set.remote(value), size);
  },
  dedicated: (size) => besideActors(() => Dedicated.remote(), size),
  light: (size) => besideActors(() => Light.remote(), size),
  nodes: besideNodes,
  refs,
  workers,
};

const [name = "", argument = ""] = process.argv.slice(2);
const measure = cases[name];
if (measure === undefined) throw new Error(`no case ${name}: ${Object.keys(cases).join(", ")}`);
const size = Number(argument);
const shape = name === "nodes"
  ? { numNodes: size, numCpus: 1 }
  : { numCpus: name === "workers" ? size : WORKERS };
await init({ ...shape, dashboard: false, logToDriver: false });
const figures = await measure(size);
await shutdown();
console.log(JSON.stringify(figures));
process.exit(0);
