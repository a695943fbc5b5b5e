/** What the state API shows of workers and of constructor calls. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, init, listTasks, listWorkers, put, ready, release, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 16 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const Greeter = remote(
  class Greeter {
    constructor(words: readonly string[]) {
      if (words.length === 0) throw new RangeError("nothing to say");
    }
    pid(): number {
      return process.pid;
    }
  },
);
const workersOf = async (filter: string) => await listWorkers({ filters: [filter] });

test(
  "every worker process has a row: idle, leased or an actor's, and none of a dead node lives",
  async () => {
    const driver = currentDriver()!.local!;
    const agent = await driver.addAgent({
      numCpus: 1,
      resources: { far: 1 },
      objectStoreBytes: 16 << 20,
      prestart: 1,
    });
    const { nodeId, pid: agentPid } = agent.ready;
    const [idle] = await waitFor("a worker is idle there", async () => {
      const rows = await workersOf(`nodeId=${nodeId}`);
      return rows.length === 1 && rows[0]!["state"] === "IDLE" && rows;
    });
    expect(idle).toMatchObject({ nodeId, runtime: "bun", jobId: null, actorId: null, endedMs: null });
    expect(idle!["startedMs"]).toBeGreaterThan(Date.now() - 60_000);
    const greeter = Greeter.options({ resources: { far: 1 } }).remote(["hello"]);
    await ready(greeter);
    const pid = await get(greeter.pid.remote());
    const [hosting] = await waitFor("its worker is an actor's", async () => {
      const rows = await workersOf(`pid=${pid}`);
      return rows[0]?.["state"] === "ACTOR" && rows;
    });
    expect(hosting).toMatchObject({ nodeId, workerId: expect.any(String), jobId: expect.any(String) });
    expect(hosting!["actorId"]).toMatch(/^a-/);
    await endProcess(agentPid);
    await waitFor(
      "its workers are dead",
      async () => (await workersOf(`nodeId=${nodeId}`)).every((row) => row["state"] === "DEAD"),
      15_000,
    );
    release(greeter);
  },
  30_000,
);

test("constructor calls are tasks with a start and an end, failed ones with their error", async () => {
  const words = await put(["a", "b"]);
  const good = Greeter.remote(words);
  await ready(good);
  const bad = Greeter.remote([]);
  await rejection(ready(bad));
  const rows = await waitFor("both are told", async () => {
    const rows = await listTasks({ filters: ["type=ACTOR_CREATION_TASK", "name=new Greeter"] });
    const states = rows.map((row) => row["state"]);
    return states.includes("FAILED") && states.filter((state) => state === "FINISHED").length >= 2 && rows;
  });
  for (const row of rows) {
    expect(row["startMs"]).toBeGreaterThan(0);
    expect(row["endMs"]).toBeGreaterThanOrEqual(row["startMs"] as number);
  }
  const failed = rows.find((row) => row["state"] === "FAILED")!;
  expect(JSON.stringify(failed)).toContain("nothing to say");
  release(good);
});
