/** What the state API says of actors: what each is, how its calls fare, how it ended. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  get,
  getState,
  type HandleOf,
  kill,
  listActors,
  placementGroup,
  ready,
  release,
  remote,
  removePlacementGroup,
  runtimeContext,
  shutdown,
} from "mobula";
import { startCases } from "../conformance/cases.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  process.env["MOBULA_RECORD_CALL_SITES"] = "1";
  await startCases({ numCpus: 4 });
  delete process.env["MOBULA_RECORD_CALL_SITES"];
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const Shelf = remote(
  class Shelf {
    label: string;
    constructor(label: string) {
      this.label = label;
    }
    actorId(): string {
      return runtimeContext().actorId!;
    }
    pid(): number {
      return process.pid;
    }
    async hold(gate: HandleOf<typeof Signal>): Promise<void> {
      await get(gate.wait.remote());
    }
    spin(ms: number): void {
      const startMs = performance.now();
      while (performance.now() - startMs < ms);
    }
    toString(): string {
      return `Shelf(${this.label})`;
    }
  },
  { maxRestarts: 1 },
);

type Row = Record<string, unknown>;
const rowOf = async (actorId: string): Promise<Row> => (await getState(actorId))[0]!;

test("a row has what the actor is made of, where it is and who made it", async () => {
  const group = await placementGroup([{ CPU: 1 }]);
  const shelf = Shelf.options({
    name: "shelf",
    numCpus: 0.5,
    maxConcurrency: 3,
    maxTaskRetries: 2,
    runtimeEnv: { env: { SHELF_KEY: "secret" } },
    schedulingStrategy: { placementGroup: group },
  }).remote("A");
  const [actorId, pid] = await get([shelf.actorId.remote(), shelf.pid.remote()]);
  const row = await waitFor("what it calls itself", async () => {
    const row = await rowOf(actorId);
    return row["reprName"] === "Shelf(A)" && row;
  });
  const { jobId, nodeId, namespace } = runtimeContext();
  expect(row).toMatchObject({
    actorId,
    className: "Shelf",
    name: "shelf",
    namespace,
    jobId,
    nodeId,
    pid,
    state: "ALIVE",
    isDetached: false,
    incarnation: 1,
    numRestarts: 0,
    maxRestarts: 1,
    maxTaskRetries: 2,
    maxConcurrency: 3,
    concurrencyGroups: null,
    requiredResources: { CPU: 0.5 },
    placementGroupId: group.id,
    labelSelector: null,
    fallbackStrategy: null,
    deathCause: null,
    deathMessage: null,
    endedMs: null,
  });
  expect(row["owner"]).toMatch(/^d-/);
  expect(row["callSite"]).toMatch(/actor_rows\.test\.ts:\d+:\d+$/);
  expect(row["startedMs"]).toBeGreaterThanOrEqual(row["createdMs"] as number);
  expect(JSON.stringify(row["runtimeEnv"])).toContain("SHELF_KEY");
  expect(JSON.stringify(row)).not.toContain("secret");
  // Without details it is shorter, and the rest can still be asked for by filter.
  const [short] = await listActors({ filters: [`placementGroupId=${group.id}`] });
  expect(short).toMatchObject({ actorId, numRestarts: 0, isDetached: false });
  expect(short).not.toHaveProperty("callSite");
  await removePlacementGroup(group);
  const dead = await waitFor("its death", async () => {
    const row = await rowOf(actorId);
    return row["state"] === "DEAD" && row;
  });
  expect(dead).toMatchObject({
    deathCause: "PLACEMENT_GROUP_REMOVED",
    reprName: "Shelf(A)",
    mailboxDepth: null,
  });
  expect(dead["deathMessage"]).toContain(group.id);
  expect(dead["endedMs"]).toBeGreaterThanOrEqual(dead["startedMs"] as number);
});

test("the mailbox, the rate and the latency of calls are told while something happens", async () => {
  const gate = Signal.remote();
  const shelf = Shelf.remote("B");
  const actorId = await get(shelf.actorId.remote());
  const calls = Array.from({ length: 10 }, () => shelf.hold.remote(gate));
  await waitFor("nine wait behind one", async () => {
    const { mailboxDepth, callsRunning, callsFinished } = await rowOf(actorId);
    return mailboxDepth === 9 && callsRunning === 1 && callsFinished === 1;
  });
  await get(gate.send.remote());
  await get(calls);
  for (let n = 0; n < 20; n++) shelf.spin.remote(5);
  await get(shelf.pid.remote());
  await waitFor("they have ended", async () => (await rowOf(actorId))["callsFinished"] === 32);
  const row = await waitFor("it rests", async () => {
    const row = await rowOf(actorId);
    return row["callsPerSecond"] === 0 && row;
  });
  expect(row).toMatchObject({ mailboxDepth: 0, callsRunning: 0, callsFinished: 32 });
  expect(row["meanCallMs"]).toBeGreaterThan(0);
  // A rate is seen while calls go on.
  let stop = false;
  const busy = (async () => {
    while (!stop) await get(shelf.spin.remote(1));
  })();
  const rate = await waitFor("a rate", async () => {
    const { callsPerSecond, meanCallMs } = await rowOf(actorId);
    return (callsPerSecond as number) > 0 && (meanCallMs as number) >= 1 && callsPerSecond as number;
  });
  stop = true;
  await busy;
  expect(rate).toBeLessThan(1_000);
  release(shelf);
  release(gate);
});

test("a restart counts, begins new figures, and the last end is told in words", async () => {
  const shelf = Shelf.remote("C");
  const [actorId, pid] = await get([shelf.actorId.remote(), shelf.pid.remote()]);
  await waitFor("its calls are told", async () => (await rowOf(actorId))["callsFinished"] === 2);
  const { startedMs } = await rowOf(actorId);
  await endProcess(pid);
  const again = await waitFor("it is back", async () => {
    const row = await rowOf(actorId);
    return row["state"] === "ALIVE" && row["incarnation"] === 2 && row;
  });
  expect(again).toMatchObject({ numRestarts: 1, deathCause: null, startedMs });
  await ready(shelf);
  await get(shelf.pid.remote());
  await waitFor("new figures", async () => (await rowOf(actorId))["callsFinished"] === 1);
  await kill(shelf);
  const dead = await rowOf(actorId);
  expect(dead).toMatchObject({ state: "DEAD", deathCause: "KILLED", numRestarts: 1, callsFinished: null });
  expect(dead["deathMessage"]).toContain("kill()");
});
