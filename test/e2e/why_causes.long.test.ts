/** The slower ones of the twelve causes of why_causes.test.ts (bar D13). */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { get, getState, type HandleOf, listJobs, ready, release, remote, shutdown, wait, why } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { addNode, firstNodeId, startCases } from "../conformance/cases.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive, rejection } from "../support/processes.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { actorOf, says, taskOf } from "../support/why.ts";

const LONG_MS = 60_000;
const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-why-"));
beforeAll(() => startCases({ numCpus: 1 }));
afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

const here = () => ({ schedulingStrategy: { nodeId: firstNodeId() } });
/** Runs until the gate opens. */
const hold = remote(async (gate: HandleOf<typeof Signal>) => {
  await (await import("mobula")).get(gate.wait.remote());
}, { numCpus: 0 });
const use = remote((_value: unknown) => 1, { numCpus: 0 });

test("4 fenced node: suspect, then dead and fenced; what was there names it", async () => {
  const node = await addNode({ numCpus: 1, resources: { only_there: 4 } });
  const gate = Signal.options(here()).remote();
  const there = { numCpus: 0, resources: { only_there: 1 } };
  const once = hold.options({ ...there, maxRetries: 0, name: "once" }).remote(gate);
  const again = hold.options({ ...there, maxRetries: 1, name: "again" }).remote(gate);
  await waitFor("both run", async () => await get(gate.waiters.remote()) === 2);
  const actor = remote(class There {}, there).remote();
  await ready(actor);
  process.kill(node.pid, "SIGSTOP");
  const id = node.nodeId;
  await says(id, `${id} (…) is suspect: nothing was heard of it for <ms>…; it is dead if that lasts.`);
  await says(
    taskOf(again),
    `${
      taskOf(again)
    } (again) has been running for <ms> on worker w-… of ${id}; ${id} is suspect: nothing was heard of it for <ms>.`,
  );
  await waitFor("it is dead", () => node.isDead(), 30_000);
  await says(id, `${id} (…) is dead: no heartbeat for … ms; it was heard of last <ms> ago, and is fenced: …`);
  const cause = `NodeDiedError: …${id} is dead: no heartbeat for …`;
  await says(taskOf(once), `${taskOf(once)} (once) failed on worker w-… of ${id}, <ms> ago with ${cause}`);
  await says(
    taskOf(again),
    `${taskOf(again)} (again, attempt 1) has waited <ms> for a worker; no node has only_there 1; …; ` +
      `attempt 0 failed <ms> ago with ${cause}`,
  );
  const actorId = actorOf(actor);
  await says(
    actorId,
    `${actorId} (There) has been dead for <ms> (NODE_DIED): its node ${id} died: no heartbeat for …`,
  );
  // It hears that it is fenced, and ends.
  process.kill(node.pid, "SIGCONT");
  await waitFor("its agent has ended", () => !isAlive(node.pid));
  expect(await why(id)).toContain("is fenced");
  await get(gate.send.remote());
  release(gate);
}, LONG_MS);

test("10 OOM loop: that the attempt before was ended for low memory, with the figures", async () => {
  const file = join(folder, "memory");
  const memory = (used: number): void => writeFileSync(file, `${used} 100`);
  memory(10);
  const settings = {
    MOBULA_TEST_MEMORY_FILE: file,
    MOBULA_MEMORY_MONITOR_MS: "100",
    MOBULA_MEMORY_USAGE_THRESHOLD: "0.65",
  };
  Object.assign(process.env, settings);
  const node = await addNode({ numCpus: 1 });
  for (const name of Object.keys(settings)) delete process.env[name];
  const gate = Signal.options(here()).remote();
  const there = { schedulingStrategy: { nodeId: node.nodeId } };
  const ref = hold.options({ ...there, maxRetries: -1 }).remote(gate);
  const id = taskOf(ref);
  await waitFor("it runs", async () => await get(gate.waiters.remote()) === 1);
  memory(70);
  const cause =
    `OutOfMemoryError: …node ${node.nodeId} is low on memory (…the threshold is …), so that its worker ` +
    "w-… (pid …), which ran hold…";
  await says(id, `${id} (hold, attempt …) …; attempt … failed <ms> ago with ${cause}`);
  memory(10);
  await says(
    id,
    `${id} (hold, attempt …) has been running for <ms> on worker w-…; it waits in get or wait; attempt … failed <ms> ago with ${cause}`,
  );
  await get(gate.send.remote());
  await get(ref);
  release(gate);
}, LONG_MS);

test("11 slow argument fetch: from where, and how much has arrived", async () => {
  const node = await addNode({ numCpus: 1 });
  const make = remote(() => new Uint8Array(48 << 20), { numCpus: 0, maxRetries: 0 });
  const data = make.options({ schedulingStrategy: { nodeId: node.nodeId } }).remote();
  await wait([data], { fetchLocal: false });
  // It sends nothing more until it is killed.
  process.kill(node.pid, "SIGSTOP");
  const reader = use.options({ ...here(), maxRetries: 0 }).remote(data);
  const to = firstNodeId();
  await says(
    taskOf(reader),
    `${
      taskOf(reader)
    } (use) …; ${to} waits for argument ${data.id} (48.0 MiB), which ${to} pulls from ${node.nodeId}: ` +
      "… have arrived.",
  );
  await node.kill();
  expect((await rejection(get(reader))).name).toBe("ObjectLostError");
  await says(data.id, `${data.id} was lost <ms> ago: node ${node.nodeId}, which held its last copy, died: …`);
}, LONG_MS);

test("12 driver gone: its tasks and its job say so", async () => {
  const { token, address } = currentDriver()!.local!;
  const program = new StartedProgram("bun", join(import.meta.dirname, "programs/gone_driver.ts"), {
    env: { MOBULA_ADDRESS: address, MOBULA_TOKEN: token },
  });
  const { taskId, jobId } = JSON.parse(await program.line()) as { taskId: string; jobId: string };
  await waitFor("its row is there", async () => (await getState(taskId)).length === 1);
  await endProcess(program.child.pid!);
  const { driverId, pid } = (await listJobs({ filters: [`jobId=${jobId}`] }))[0] as {
    driverId: string;
    pid: number;
  };
  const gone = `${jobId} (driver ${driverId}) failed <ms> ago: the driver ${driverId} (pid ${pid}) ` +
    "went away without ending its job.";
  await says(jobId, gone);
  await says(
    taskId,
    `${taskId} (waiting) failed… with OwnerDiedError: its submitter ${driverId} ended before it did; ${gone}`,
  );
}, LONG_MS);
