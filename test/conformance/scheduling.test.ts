/** Where work goes: locality, spread, affinity, labels with fallbacks, and what no node has. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorUnschedulableError,
  availableResources,
  get,
  type HandleOf,
  kill,
  listActors,
  listTasks,
  type ObjectRef,
  ready,
  release,
  remote,
  shutdown,
  TaskUnschedulableError,
  wait,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { HeadMethods } from "../../runtime/protocol/messages.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode, firstNodeId, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
/** What the driver was told; mobula writes it to stderr. */
const said: string[] = [];
const write = process.stderr.write;
let here: string;
let other: CaseNode;

beforeAll(async () => {
  process.stderr.write = ((text: string | Uint8Array) => said.push(String(text)) > 0) as typeof write;
  await startCases({ numCpus: 4 });
  here = firstNodeId();
  other = await addNode({
    numCpus: 4,
    resources: { only_there: 1 },
    labels: { region: "us-west4", zone: "b" },
  });
});
afterAll(async () => {
  process.stderr.write = write;
  await shutdown();
  await leftovers.check();
});

const nodeOf = remote(async () => (await import("mobula")).runtimeContext().nodeId);
/** More than is fetched without asking where it is. */
const big = remote(() => new Uint8Array(4 << 20));
/** Runs until the gate opens; says where. */
const holdWith = remote(async (gate: HandleOf<typeof Signal>, _data: Uint8Array) => {
  const { get, runtimeContext } = await import("mobula");
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

async function bigThere(): Promise<ObjectRef<Uint8Array>> {
  const ref = big.options({ schedulingStrategy: { nodeId: other.nodeId } }).remote();
  await wait([ref], { fetchLocal: false });
  return ref;
}

/** What the trace says of the global scheduler's choice. */
async function pickOf(ref: ObjectRef<unknown>): Promise<string> {
  const taskId = `t${ref.id.slice(1, ref.id.lastIndexOf("."))}`;
  return await waitFor("the step in the trace", async () => {
    const asked = await currentDriver()!.core.link.request("head", { method: "trace", params: { taskId } });
    const { steps } = asked.result as HeadMethods["trace"]["result"];
    return steps.find((step) => step.name === "globalPick")?.detail;
  });
}

describe("locality", () => {
  const whereIs = remote(async (data: Uint8Array) =>
    [(await import("mobula")).runtimeContext().nodeId, data.length] as const
  );

  test("SCHED-04 a task goes to the node that has its large argument", async () => {
    const data = await bigThere();
    expect(await get(whereIs.remote(data))).toEqual([other.nodeId, 4 << 20]);
    expect(await get(whereIs.options({ schedulingStrategy: { nodeId: here } }).remote(data))).toEqual(
      [here, 4 << 20],
    );
    // From now on the head knows how fast it came.
    const numbers = new RegExp(
      `^${other.nodeId}: free \\(\\d+ % used\\) = 0 ms; ` +
        `${here}: free \\(\\d+ % used\\) \\+ move 4\\.0\\d MiB / [\\d.]+ [KMG]iB/s = \\d+ ms$`,
    );
    await waitFor("a choice by measured bandwidth, with its numbers", async () => {
      const near = whereIs.remote(await bigThere());
      expect(await get(near)).toEqual([other.nodeId, 4 << 20]);
      return numbers.test(await pickOf(near));
    });
  });

  test("SCHED-05 SPREAD overrides it: two dependents run on two nodes", async () => {
    const data = await bigThere();
    const gate = Signal.remote();
    // What was assigned a moment ago counts as taken: a node without room has no turn.
    await waitFor("all CPUs are free", async () => (await availableResources()).CPU === 8);
    const spread = holdWith.options({ schedulingStrategy: "SPREAD" });
    const refs = [spread.remote(gate, data), spread.remote(gate, data)];
    await waitFor("both run", async () => await get(gate.waiters.remote()) === 2);
    await get(gate.send.remote());
    expect(new Set(await get(refs))).toEqual(new Set([here, other.nodeId]));
    release(gate);
  });
});

describe("node affinity", () => {
  test("SCHED-07 an unknown node: hard affinity fails, soft affinity runs elsewhere", async () => {
    const nodeId = "n-0000000000000000";
    const hard = { schedulingStrategy: { nodeId } };
    const soft = { schedulingStrategy: { nodeId, soft: true } };
    const error = await rejection(get(nodeOf.options(hard).remote()));
    expect(error).toBeInstanceOf(TaskUnschedulableError);
    expect(error.message).toContain(nodeId);
    const lost = Where.options(hard).remote();
    expect(await rejection(get(lost.node.remote()))).toBeInstanceOf(ActorUnschedulableError);
    expect(await rejection(ready(lost))).toBeInstanceOf(ActorUnschedulableError);
    expect(await get(nodeOf.options(soft).remote())).toMatch(/^n-/);
    const found = Where.options(soft).remote();
    expect(await get(found.node.remote())).toMatch(/^n-/);
    release(found);
  });

  test("SCHED-07 a dead node is an unknown one", async () => {
    const node = await addNode({ numCpus: 1 });
    const at = { schedulingStrategy: { nodeId: node.nodeId } };
    expect(await get(nodeOf.options(at).remote())).toBe(node.nodeId);
    await node.kill();
    await waitFor("it is dead", node.isDead);
    const error = await rejection(get(nodeOf.options(at).remote()));
    expect(error).toBeInstanceOf(TaskUnschedulableError);
    expect(error.message).toContain("it is dead or unknown");
  });

  test("SCHED-08 a node that can never fit: hard affinity fails, soft affinity takes another one", async () => {
    const needs = { resources: { only_there: 1 } };
    const hard = { ...needs, schedulingStrategy: { nodeId: here } };
    const error = await rejection(get(nodeOf.options(hard).remote()));
    expect(error).toBeInstanceOf(TaskUnschedulableError);
    expect(error.message).toContain("only_there");
    const lost = Where.options(hard).remote();
    expect(await rejection(get(lost.node.remote()))).toBeInstanceOf(ActorUnschedulableError);
    const soft = { ...needs, schedulingStrategy: { nodeId: here, soft: true } };
    expect(await get(nodeOf.options(soft).remote())).toBe(other.nodeId);
    const actor = Where.options(soft).remote();
    expect(await get(actor.node.remote())).toBe(other.nodeId);
    await kill(actor);
  });

  test("SCHED-10 a strategy that is none is refused where it is given", () => {
    const given = (schedulingStrategy: unknown) => ({ schedulingStrategy }) as never;
    for (const declare of [remote, (fn: () => number, options: never) => remote(fn).options(options)]) {
      expect(() => declare(() => 1, given("ANYWHERE"))).toThrow(RangeError);
      expect(() => declare(() => 1, given("ANYWHERE"))).toThrow(/schedulingStrategy .*"SPREAD".*"ANYWHERE"/);
    }
    expect(() => Where.options(given("ANYWHERE"))).toThrow(RangeError);
    expect(() => nodeOf.options(given(7))).toThrow(TypeError);
    expect(() => nodeOf.options(given({ nodeId: "" }))).toThrow(RangeError);
  });
});

test(
  "SCHED-11 what no node has waits, with one warning that says what is missing, until a node brings it",
  async () => {
    said.length = 0;
    const wants = { resources: { rare: 2 } };
    const refs = Array.from({ length: 3 }, () => nodeOf.options(wants).remote());
    const gpu = nodeOf.options({ numGpus: 1 }).remote();
    const actor = Where.options({ resources: { rare: 1 } }).remote();
    const call = actor.node.remote();
    const warnings = () => said.filter((text) => /cannot be placed/.test(text));
    await waitFor("the three shapes are warned of", () => warnings().length >= 3);
    const [done] = await wait([...refs, gpu, call] as ObjectRef<string>[], { timeoutMs: 500 });
    expect(done).toEqual([]);
    expect(warnings()).toHaveLength(3);
    expect(warnings().find((text) => text.includes("rare 2"))).toMatch(/warning: .*nodeOf.*rare 2/);
    expect(warnings().find((text) => text.includes("rare 1"))).toMatch(/Where.*rare 1/);
    expect(warnings().find((text) => text.includes("GPU"))).toMatch(/nodeOf.*GPU 1/);
    const node = await addNode({ numCpus: 4, numGpus: 1, resources: { rare: 2 } });
    expect(await get(call)).toBe(node.nodeId);
    release(actor);
    expect(await get(refs)).toEqual([node.nodeId, node.nodeId, node.nodeId]);
    expect(await get(gpu)).toBe(node.nodeId);
    await node.kill();
    await waitFor("it is dead", node.isDead);
  },
  30_000,
);

describe("labels with fallbacks", () => {
  const wishes = (region: string, fallback: string) => ({
    labelSelector: { region },
    fallbackStrategy: [{ labelSelector: { region: fallback } }],
  });

  test("SCHED-17 work runs on the match, and rows show what it asked for", async () => {
    const asked = wishes("us-west4", "!us-west4");
    expect(await get(nodeOf.options(asked).remote())).toBe(other.nodeId);
    const actor = Where.options(asked).remote();
    expect(await get(actor.node.remote())).toBe(other.nodeId);
    const row = await waitFor("the task's row", async () => {
      const rows = await listTasks({ detail: true, filters: ["name=nodeOf", "state=FINISHED"] });
      return rows.find(({ labelSelector }) => labelSelector !== null);
    });
    expect(row).toMatchObject({ nodeId: other.nodeId, ...asked });
    const actors = await listActors({ detail: true, filters: ["className=Where", "state=ALIVE"] });
    expect(actors).toMatchObject([{ nodeId: other.nodeId, ...asked }]);
    await kill(actor);
  });

  test("SCHED-17 the first fallback that a node meets is taken, while none meets the selector", async () => {
    const asked = wishes("moon", "mars");
    const last = { labelSelector: { zone: "b" } };
    expect(
      await get(nodeOf.options({ ...asked, fallbackStrategy: [...asked.fallbackStrategy, last] }).remote()),
    )
      .toBe(other.nodeId);
    const actor = Where.options(wishes("moon", "us-west4")).remote();
    expect(await get(actor.node.remote())).toBe(other.nodeId);
    await kill(actor);
    // Here, although the node that asks meets only the fallback.
    expect(await get(nodeOf.options(wishes("moon", "!us-west4")).remote())).toBe(here);
    const waits = nodeOf.options(asked).remote();
    await waitFor("its warning", () => said.some((text) => /region=moon or region=mars/.test(text)));
    const node = await addNode({ numCpus: 1, labels: { region: "mars" } });
    expect(await get(waits)).toBe(node.nodeId);
    await node.kill();
    await waitFor("it is dead", node.isDead);
  });
});
