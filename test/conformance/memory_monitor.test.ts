/**
 * Low memory, by figures that the cases write themselves: "USED TOTAL" in a file that the node reads in place of the
 * system's (MOBULA_TEST_MEMORY_FILE). The threshold is 65 of 100.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ActorDiedError,
  get,
  type HandleOf,
  kill,
  listActors,
  listTasks,
  listWorkers,
  OutOfMemoryError,
  release,
  remote,
  shutdown,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { Signal, Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode, firstNodeId, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-memory-"));
const file = join(folder, "memory");
let node: CaseNode;

const memory = (used: number): void => writeFileSync(file, `${used} 100`);
/** What steers the cases is not on the node under test. */
const here = () => ({ schedulingStrategy: { nodeId: firstNodeId() } });
/** Only the node under test has it. */
const there = { numCpus: 0, resources: { tight: 1 } };

beforeAll(async () => {
  memory(10);
  process.env.MOBULA_TASK_OOM_RETRIES = "1";
  await startCases();
  process.env.MOBULA_TEST_MEMORY_FILE = file;
  process.env.MOBULA_MEMORY_USAGE_THRESHOLD = "0.65";
  process.env.MOBULA_MEMORY_MONITOR_MS = "100";
  node = await addNode({ numCpus: 1, resources: { tight: 4 } });
  delete process.env.MOBULA_TEST_MEMORY_FILE;
  delete process.env.MOBULA_MEMORY_USAGE_THRESHOLD;
  delete process.env.MOBULA_MEMORY_MONITOR_MS;
});
afterAll(async () => {
  await shutdown();
  delete process.env.MOBULA_TASK_OOM_RETRIES;
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

/** Says its pid and name, then runs until the gate opens. */
const hold = remote(async (tally: HandleOf<typeof Tally>, gate: HandleOf<typeof Signal>, name: string) => {
  const { get } = await import("mobula");
  await get(tally.add.remote({ name, pid: process.pid }));
  await get(gate.wait.remote());
  return name;
}, there);

interface Begun {
  readonly name: string;
  readonly pid: number;
}

/** How many workers the node has ended for low memory. */
async function kills(): Promise<number> {
  const { result } = await currentDriver()!.core.link.request("head", { method: "nodes", params: {} });
  const { nodes } = result as { nodes: { nodeId: string; memoryKills: number }[] };
  return nodes.find(({ nodeId }) => nodeId === node.nodeId)!.memoryKills;
}

test("OOM-01 a task that may not be retried fails with OutOfMemoryError, which says where and why", async () => {
  const tally = Tally.options(here()).remote();
  const gate = Signal.options(here()).remote();
  const before = await kills();
  const doomed = hold.options({ ...there, maxRetries: 0 }).remote(tally, gate, "doomed");
  const begun = await waitFor("it runs", async () => (await get(tally.take.remote()) as Begun[])[0]);
  memory(70);
  const error = await rejection(get(doomed));
  memory(10);
  expect(error).toBeInstanceOf(OutOfMemoryError);
  for (const part of ["hold", node.nodeId, `pid ${begun.pid}`, "threshold", "MiB", "agent (pid"]) {
    expect(error.message).toContain(part);
  }
  expect(isAlive(begun.pid)).toBe(false);
  await waitFor("the kill is counted", async () => await kills() === before + 1);
  // It ran once.
  expect(await get(tally.read.remote())).toBe(0);
  release(tally);
  release(gate);
});

test("OOM-02 kills for low memory have a budget of their own, whatever maxRetries is", async () => {
  const tally = Tally.options(here()).remote();
  const gate = Signal.options(here()).remote();
  const before = await kills();
  const startedMs = performance.now();
  const lasting = hold.options({ ...there, maxRetries: -1 }).remote(tally, gate, "lasting");
  await waitFor("it runs", async () => await get(tally.read.remote()) === 1);
  memory(70);
  const error = await rejection(get(lasting));
  memory(10);
  expect(error).toBeInstanceOf(OutOfMemoryError);
  expect(error.message).toContain("2 executions");
  // The retry waits for a second.
  expect(performance.now() - startedMs).toBeGreaterThan(1_000);
  // Memory stays low meanwhile: a new worker may also be ended before its task runs, which is no execution.
  await waitFor("both kills are counted", async () => await kills() >= before + 2);
  const taskId = /\((t-[^)]+)\)/.exec(error.message)![1]!;
  const attempts = await waitFor("both attempts have a row", async () => {
    const rows = await listTasks({ filters: [`taskId=${taskId}`, "state=FAILED"] });
    return rows.length === 2 && rows;
  });
  expect(attempts.map((row) => row["errorType"])).toEqual(attempts.map(() => "OutOfMemoryError"));
  release(tally);
  release(gate);
});

test("OOM-04 retriable work goes before work that is not, the newest first, one at a time", async () => {
  const tally = Tally.options(here()).remote();
  const gate = Signal.options(here()).remote();
  const begun: Begun[] = [];
  const refs: Record<string, ReturnType<typeof hold.remote>> = {};
  for (const [name, maxRetries] of [["old", 1], ["young", 1], ["final", 0]] as const) {
    refs[name] = hold.options({ ...there, maxRetries }).remote(tally, gate, name);
    begun.push(
      await waitFor(`${name} runs`, async () => (await get(tally.take.remote()) as Begun[])[0]),
    );
  }
  const alive = (): string[] => begun.filter(({ pid }) => isAlive(pid)).map(({ name }) => name);
  const before = await kills();
  memory(70);
  const seen: string[] = [];
  await waitFor("only the one that may not be retried is left", () => {
    const now = alive().join();
    if (seen.at(-1) !== now) seen.push(now);
    if (now === "final") memory(10);
    return now === "final";
  });
  expect(seen.filter((now) => now !== "old,young,final")).toEqual(["old,final", "final"]);
  await waitFor("both kills are counted", async () => await kills() === before + 2);
  // The two are tried again.
  await waitFor("they run again", async () => await get(tally.read.remote()) === 2);
  await get(gate.send.remote());
  expect(await get([refs["old"]!, refs["young"]!, refs["final"]!])).toEqual(["old", "young", "final"]);
  expect(await kills()).toBe(before + 2);
  release(tally);
  release(gate);
}, 20_000);

test(
  "OOM-05 an actor's death and its worker's end name low memory; a restart costs maxRestarts",
  async () => {
    const Holder = remote(
      class Holder {
        pid(): number {
          return process.pid;
        }
      },
      there,
    );
    const mortal = Holder.remote();
    const lasting = Holder.options({ ...there, maxRestarts: 1, maxTaskRetries: -1 }).remote();
    const [, pid] = await get([mortal.pid.remote(), lasting.pid.remote()]);
    memory(70);
    // Retriable first, and it alone.
    await waitFor("the one that may restart was ended", () => {
      if (isAlive(pid)) return false;
      memory(10);
      return true;
    });
    const again = await get(lasting.pid.remote());
    expect(again).not.toBe(pid);
    const mortalPid = await get(mortal.pid.remote());
    await kill(lasting);
    await waitFor(
      "its worker has a row",
      async () => (await listWorkers({ filters: [`pid=${mortalPid}`] })).length === 1,
    );
    memory(70);
    const error = await waitFor("the other one died", async () => {
      try {
        await get(mortal.pid.remote());
        return null;
      } catch (error) {
        return error instanceof ActorDiedError && error;
      }
    });
    memory(10);
    expect(error.message).toContain("low on memory");
    const [row] = await listActors({
      filters: ["className=Holder", "state=DEAD", "deathCause=OUT_OF_MEMORY"],
    });
    expect(row!["deathMessage"]).toContain("low on memory");
    const [ended] = await waitFor("its worker's row says why it ended", async () => {
      const rows = await listWorkers({
        filters: [`pid=${mortalPid}`, "state=DEAD", "exitDetail~low on memory"],
      });
      return rows.length > 0 && rows;
    });
    expect(ended!["exitDetail"]).toContain(node.nodeId);
    release(mortal);
  },
  20_000,
);
