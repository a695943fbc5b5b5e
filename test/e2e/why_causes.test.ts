/**
 * Twelve things that go wrong in a cluster (bar D13), each explained by why() with its true cause. Four of them take longer:
 * they are in why_causes.long.test.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  get,
  getState,
  type HandleOf,
  kill,
  type ObjectRef,
  put,
  ready,
  release,
  remote,
  shutdown,
  why,
} from "mobula";
import { addNode, type CaseNode, firstNodeId, startCases } from "../conformance/cases.ts";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { actorOf, says, taskOf } from "../support/why.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-why-"));
let here: string;
/** A node with a small store that may not spill, and without Deno. */
let odd: CaseNode;
let gate: SignalHandle;
/** Holds the one slot until the gate opens. */
let first: ObjectRef<void>;

/** Runs until the gate opens. */
const hold = remote(async (gate: HandleOf<typeof Signal>) => {
  await (await import("mobula")).get(gate.wait.remote());
}, { numCpus: 0 });
const use = remote((_value: unknown) => 1, { numCpus: 0 });
const there = () => ({ schedulingStrategy: { nodeId: odd.nodeId } });

beforeAll(async () => {
  await startCases({ numCpus: 2, resources: { slot: 1 } });
  here = firstNodeId();
  const settings = {
    MOBULA_SPILL_DIR: "none",
    MOBULA_DENO: join(folder, "no-deno"),
  };
  Object.assign(process.env, settings);
  odd = await addNode({ numCpus: 1, objectStoreBytes: 16 << 20, labels: { zone: "us" } });
  for (const name of Object.keys(settings)) delete process.env[name];
  gate = Signal.options({ schedulingStrategy: { nodeId: here } }).remote();
  first = hold.options({ resources: { slot: 1 } }).remote(gate);
  await waitFor("it runs", async () => await get(gate.waiters.remote()) === 1);
});
afterAll(async () => {
  await get(gate.send.remote());
  await shutdown();
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

test("1 no resources: which, how much of it is free, and where", async () => {
  const id = taskOf(hold.options({ resources: { slot: 1 } }).remote(gate));
  await says(id, `${id} (hold) …; ${here}: waits for slot 1 (0 of 1 free) (… held).`);
  const never = taskOf(use.options({ numGpus: 1 }).remote(1));
  await says(never, `${never} (use) …; no node has GPU 1; the nearest is n-…: it needs GPU 1 (has 0).`);
}, 30_000);

test("2 dead dependency: the failure that began it, through a chain", async () => {
  const bad = remote((): number => {
    throw new RangeError("broken input");
  }, { numCpus: 0, maxRetries: 0, name: "bad" }).remote();
  const last = use.remote(use.remote(bad));
  await rejection(get(last));
  const id = taskOf(last);
  await says(
    id,
    `${id} (use) failed without having run, <ms> ago with TaskError(RangeError): task bad failed: broken input.`,
  );
  await says(
    bad.id,
    `${bad.id} is in no node's store: ${
      taskOf(bad)
    } (bad) failed on worker w-… of n-… with TaskError(RangeError): task bad failed: broken input.`,
  );
}, 30_000);

test("3 full store: who waits for room, for what, and what is taken", async () => {
  const keeper = remote(async (gate: HandleOf<typeof Signal>) => {
    const { get, put } = await import("mobula");
    const kept = await put(new Uint8Array(12 << 20));
    await get(gate.wait.remote());
    return kept;
  }, { ...there(), numCpus: 0, maxRetries: 0 });
  const own = Signal.options({ schedulingStrategy: { nodeId: here } }).remote();
  const kept = keeper.remote(own);
  await waitFor("the store is full", async () => await get(own.waiters.remote()) === 1);
  const full = "(12.0 MiB): 12.0 MiB of 16.0 MiB are taken, and nothing may be spilled to disk.";
  const room = `room in the object store of ${odd.nodeId} for`;
  const maker = remote(() => new Uint8Array(12 << 20), {
    ...there(),
    numCpus: 0,
    maxRetries: 0,
    name: "maker",
  }).remote();
  await says(
    taskOf(maker),
    `${
      taskOf(maker)
    } (maker) has been running for <ms> on worker w-… of ${odd.nodeId}; it waits for ${room} ${maker.id} ${full}`,
  );
  const big = await put(new Uint8Array(12 << 20));
  const reader = taskOf(use.options(there()).remote(big));
  await says(reader, `${reader} (use) …${odd.nodeId} waits for ${room} argument ${big.id} ${full}`);
  await get(own.send.remote());
  await get(kept);
  release(kept);
  release(big);
  release(own);
}, 30_000);

test("5 backlog: how many are before it, and how many workers are at them", async () => {
  const refs = Array.from({ length: 20 }, () => hold.options({ numCpus: 1 }).remote(gate));
  const id = taskOf(refs.at(-1)!);
  await says(
    id,
    `${id} (hold) has waited <ms> for a worker, behind … tasks of its kind, with … at work on them…`,
  );
  expect(await why(id)).toMatch(/behind 1\d tasks of its kind, with \d workers? at work on them/);
}, 30_000);

test("6 actor restarting: why its process ended, and what it does now", async () => {
  const Slow = remote(
    class Slow {
      constructor(ms: number) {
        const end = performance.now() + ms;
        while (performance.now() < end);
      }
    },
    { numCpus: 0, maxRestarts: 5 },
  );
  const slow = Slow.remote(1_000);
  const id = actorOf(slow);
  await ready(slow);
  const [row] = await getState(id);
  const pid = row!["pid"] as number;
  await endProcess(pid);
  await says(
    id,
    `${id} (Slow) restarts after its end (WORKER_DIED: The worker process w-… (pid ${pid}) ended with signal SIGKILL) ` +
      "(4 more left): its constructor runs on n-….",
  );
  await kill(slow);
  const Crashing = remote(
    class Crashing {
      constructor() {
        process.exit(3);
      }
    },
    { numCpus: 0, maxRestarts: -1 },
  );
  const crashing = Crashing.remote();
  await says(
    actorOf(crashing),
    `${
      actorOf(crashing)
    } (Crashing) restarts after its end (WORKER_DIED: … ended with exit code 3) (without end): …`,
  );
  await kill(crashing);
}, 30_000);

test("7 infeasible label: which, and what the nearest node has", async () => {
  const id = taskOf(use.options({ labelSelector: { zone: "eu" } }).remote(1));
  await says(id, `${id} (use) …; no node has zone=eu; the nearest is n-…: zone must be eu (is …).`);
}, 30_000);

test(
  "8 paused queue: the call that holds back those behind it, and a generator that may not go on",
  async () => {
    const Holder = remote(
      class Holder {
        take(_value: unknown): number {
          return 1;
        }
      },
      { numCpus: 0 },
    );
    const actor = Holder.remote();
    const unready = taskOf(actor.take.remote(first));
    const behind = taskOf(actor.take.remote(2));
    await says(
      behind,
      `${behind} (Holder.take) has waited <ms> for its actor, behind 1 call: calls leave in order, and ${unready} ` +
        `waits for argument ${first.id}: ${taskOf(first)} (hold) has been running for …`,
    );
    release(actor);
    const numbers = remote(function* () {
      for (let i = 0; i < 10; i++) yield i;
    }, { numCpus: 0, generatorBackpressure: 2, name: "numbers" }).remote();
    const id = taskOf(numbers.completed());
    await says(
      id,
      `${id} (numbers) has been running for <ms> on worker w-…; it stands at its yield: its reader has 2 unread items, ` +
        "and it may be 2 ahead (generatorBackpressure).",
    );
    release(numbers);
  },
  30_000,
);

test("9 missing worker runtime: which, and what was looked for", async () => {
  const ref = use.options({ ...there(), runtimeEnv: { runtime: "deno" } }).remote(1);
  await says(
    taskOf(ref),
    `${taskOf(ref)} (use) …MOBULA_DENO is ${join(folder, "no-deno")}, which is not an executable file.`,
  );
}, 30_000);
