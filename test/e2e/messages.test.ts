/** What reaches a driver's stderr: mobula's own messages by level, workers' lines as they are. */
import { afterAll, afterEach, expect, spyOn, test } from "bun:test";
import { get, init, remote, runtimeContext, shutdown } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const written = spyOn(process.stderr, "write").mockImplementation(() => true);
const text = (): string => written.mock.calls.map(([chunk]) => String(chunk)).join("");

afterEach(async () => {
  await shutdown();
  written.mockClear();
  for (const name of ["LOG_LEVEL", "NAMESPACE", "MAX_PENDING_TASKS"]) delete process.env[`MOBULA_${name}`];
});
afterAll(async () => {
  written.mockRestore();
  await leftovers.check();
});

/** A worker that prints, and a task that no node can run. */
async function speak(): Promise<void> {
  tooLarge("huge");
  const print = remote(() => {
    console.log("first");
    console.error("second");
  }, { name: "print" });
  await get(print.remote());
  await waitFor("a worker's lines", () => text().includes("second"));
}

function tooLarge(name: string, numCpus: number = 1_000): void {
  remote(() => 1, { name, numCpus }).remote();
}

async function warned(name: string): Promise<void> {
  await waitFor(
    `a warning of ${name}`,
    () => text().includes(`mobula warning: Task ${name} cannot be placed`),
  );
}

test("workers' lines say which task printed them and where; warnings say that they are mobula's", async () => {
  await init({ numCpus: 1, dashboard: false, objectStoreBytes: 32 << 20 });
  await speak();
  expect(text()).toMatch(
    /^\(print#\d+ pid=\d+ n-[\da-f]{8}\) first\n\(print#\d+ pid=\d+ n-[\da-f]{8}\) second\n/m,
  );
  await warned("huge");
});

test("MOBULA_LOG_LEVEL keeps lesser messages back, and workers' lines come all the same", async () => {
  process.env.MOBULA_LOG_LEVEL = "error";
  await init({ numCpus: 1, dashboard: false, objectStoreBytes: 32 << 20 });
  await speak();
  process.env.MOBULA_LOG_LEVEL = "warning";
  tooLarge("larger", 2_000);
  await warned("larger");
  expect(text()).not.toContain("huge");
});

test("a setting that cannot be meant fails init() by name; an empty one is none", async () => {
  process.env.MOBULA_MAX_PENDING_TASKS = "-3";
  expect(await rejection(init({ dashboard: false }))).toMatchObject({
    name: "RangeError",
    message: 'MOBULA_MAX_PENDING_TASKS must be an integer of at least 1, is "-3"',
  });
  process.env.MOBULA_MAX_PENDING_TASKS = "";
  process.env.MOBULA_NAMESPACE = "";
  await init({ numCpus: 1, dashboard: false, objectStoreBytes: 32 << 20 });
  expect(runtimeContext().namespace).not.toBe("");
  // Nothing is left of the driver that could not begin.
  expect(await get(remote(() => 5).remote())).toBe(5);
});
