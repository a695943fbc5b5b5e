/** Lists of tasks as people ask for them: states, filters, pages, and what becomes of a dead driver's rows. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import {
  cancel,
  get,
  type HandleOf,
  kill,
  listTasks,
  put,
  ready,
  release,
  remote,
  runtimeContext,
  shutdown,
  summarize,
} from "mobula";
import { TASK_EVENT_INTERVAL_MS } from "../../runtime/common/config.ts";
import { currentDriver } from "../../runtime/api/init.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess } from "../support/processes.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";

const leftovers = watchLeftovers();
beforeAll(() => startCases({ numCpus: 2 }));
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test(
  "OBS-01 tasks by state, name and job; a filter comes before the limit, a node only with a worker",
  async () => {
    const gate = Signal.options({ numCpus: 0 }).remote();
    const work = remote(async (gate: HandleOf<typeof Signal>) => {
      await (await import("mobula")).get(gate.wait.remote());
    }, { name: "work" });
    // Both CPUs for good: what waits in get would lend its own.
    const busy = remote((until: number) => {
      while (Date.now() < until);
    }, { name: "busy", maxRetries: 0 });
    const use = remote((_value: unknown) => 1, { name: "use" });
    const running = [1, 2].map(() => work.options({ numCpus: 0 }).remote(gate));
    const runs = async (count: number) =>
      (await listTasks({ filters: ["state=RUNNING", "type=NORMAL_TASK"] })).total === count;
    // First these: the others leave no processor to start them on.
    await waitFor("those that wait run", () => runs(2));
    const held = [1, 2].map(() => busy.remote(Date.now() + 60_000));
    await waitFor("all of them run", () => runs(4));
    const waiting = [use.remote(running[0]!), use.options({ numGpus: 1 }).remote(1), work.remote(gate)];
    const counts = async () =>
      Object.fromEntries(
        (await summarize("tasks", { by: ["state"], filters: ["type=NORMAL_TASK"] })).map((
          row,
        ) => [row["state"], row["count"]]),
      );
    await waitFor("their rows are there", async () => {
      return JSON.stringify(Object.entries(await counts()).sort()) ===
        JSON.stringify([["PENDING_ARGS_AVAIL", 1], ["PENDING_NODE_ASSIGNMENT", 2], ["RUNNING", 4]]);
    });
    const jobId = runtimeContext().jobId;
    const own = [`jobId=${jobId}`, "type=NORMAL_TASK"];
    const pending = await listTasks({ filters: [...own, "state=PENDING_NODE_ASSIGNMENT"], limit: 1 });
    expect([pending.length, pending.total, pending[0]!["nodeId"]]).toEqual([1, 2, null]);
    const rest = await listTasks({
      filters: [...own, "state=PENDING_NODE_ASSIGNMENT"],
      after: pending.next!,
    });
    expect([rest.length, rest.next]).toEqual([1, null]);
    expect((await listTasks({ filters: [...own, "state=running"] })).every((row) => row["nodeId"] !== null))
      .toBe(true);
    expect((await listTasks({ filters: [...own, "name=use"] })).total).toBe(2);
    expect((await listTasks({ filters: ["jobId=j-none"] })).total).toBe(0);
    await Promise.all([...held, ...waiting.slice(1)].map((ref) => cancel(ref, { force: true })));
    await get(gate.send.remote());
    await get(running);
    release(gate);
  },
  30_000,
);

test(
  "a task that was told to wait for long is told to run when it does, though nothing else happens",
  async () => {
    const holder = remote(class {}).options({ numCpus: 2 }).remote();
    await ready(holder);
    const late = remote(async () => {
      await new Promise(() => setInterval(() => {}, 1_000));
    }, { name: "late", maxRetries: 0 }).remote();
    const state = async () => (await listTasks({ filters: ["name=late"] }))[0]?.["state"];
    await waitFor("it waits", async () => await state() === "PENDING_NODE_ASSIGNMENT");
    // By then its driver has no more to say of it.
    await new Promise((resolve) => setTimeout(resolve, 3 * TASK_EVENT_INTERVAL_MS));
    kill(holder);
    await waitFor("it runs", async () => await state() === "RUNNING");
    cancel(late, { force: true });
  },
  30_000,
);

test("OBS-05 when a driver is killed, what had finished stays so, all else has failed", async () => {
  const { token, address } = currentDriver()!.local!;
  const program = new StartedProgram("bun", join(import.meta.dirname, "programs/nested_driver.ts"), {
    env: { MOBULA_ADDRESS: address, MOBULA_TOKEN: token },
  });
  const jobId = await program.line();
  const states = async () =>
    Object.fromEntries(
      (await listTasks({ filters: [`jobId=${jobId}`] })).map((row) => [row["name"], row["state"]]),
    );
  await waitFor("the child runs", async () => (await states())["child"] === "RUNNING");
  await waitFor("the first one is done", async () => (await states())["done"] === "FINISHED");
  await endProcess(program.child.pid!);
  await waitFor("both have failed", async () => {
    const { parent, child } = await states();
    return parent === "FAILED" && child === "FAILED";
  });
  expect(await states()).toEqual({ done: "FINISHED", parent: "FAILED", child: "FAILED" });
}, 30_000);

test(
  "tasks that may not ask for workers yet, because many with stored arguments do, are listed with the others",
  async () => {
    const need = remote((_data: Uint8Array) => 1, { name: "needs", numGpus: 1 });
    const data = await put(new Uint8Array(200_000));
    const tasks = Array.from({ length: 100 }, () => need.remote(data));
    await waitFor("all of them are listed", async () => {
      return (await listTasks({ filters: ["name=needs", "state=PENDING_NODE_ASSIGNMENT"] })).total === 100;
    });
    await Promise.all(tasks.map((ref) => cancel(ref)));
  },
  30_000,
);
