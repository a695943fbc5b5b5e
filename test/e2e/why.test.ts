/** why(): one sentence with the numbers for everything that does not get on, from real processes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  get,
  type HandleOf,
  kill,
  type ObjectRef,
  put,
  ready,
  release,
  remote,
  shutdown,
  wait,
  why,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { main as mobula } from "../../runtime/cli/main.ts";
import { addNode, type CaseNode, firstNodeId, startCases } from "../conformance/cases.ts";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { actorOf, says, taskOf } from "../support/why.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
let here: string;
let other: CaseNode;
let gate: SignalHandle;
/** Runs on `slot`, of which there is one, until the gate opens. */
let first: ObjectRef<void>;

/** Runs until the gate opens. */
const hold = remote(async (gate: HandleOf<typeof Signal>) => {
  await (await import("mobula")).get(gate.wait.remote());
}, { numCpus: 0 });
const use = remote((_value: unknown) => 1, { numCpus: 0 });
const Holder = remote(
  class Holder {
    constructor(_value: unknown = null) {}
    async hold(gate: HandleOf<typeof Signal>): Promise<void> {
      await (await import("mobula")).get(gate.wait.remote());
    }
    take(_value: unknown): number {
      return 1;
    }
  },
  { numCpus: 0 },
);

beforeAll(async () => {
  await startCases({ numCpus: 4, resources: { slot: 1 } });
  here = firstNodeId();
  other = await addNode({ numCpus: 2, resources: { only_there: 1 }, labels: { zone: "us" } });
  gate = Signal.options({ schedulingStrategy: { nodeId: here } }).remote();
  first = hold.options({ resources: { slot: 1 } }).remote(gate);
  await waitFor("it runs", async () => await get(gate.waiters.remote()) === 1);
});
afterAll(async () => {
  await get(gate.send.remote());
  await shutdown();
  await leftovers.check();
});

describe("a task", () => {
  test("that runs: where, and since when", async () => {
    await says(
      taskOf(first),
      `${taskOf(first)} (hold) has been running for <ms> on worker w-… of ${here}; it waits in get or wait.`,
    );
  });

  test("that waits for a resource: which, how much of it there is, and at which node", async () => {
    const second = hold.options({ resources: { slot: 1 } }).remote(gate);
    const id = taskOf(second);
    await says(
      id,
      `${id} (hold) has waited <ms> for a worker, with 1 worker at work on them; ` +
        `${here}: waits for slot 1 (0 of 1 free) (… held).`,
    );
    const third = hold.options({ resources: { slot: 1 } }).remote(gate);
    await says(
      taskOf(third),
      `${taskOf(third)} (hold) has waited <ms> for a worker, behind 1 task of its kind, …`,
    );
  });

  test("that no node can run: what is missing, and which node comes nearest", async () => {
    const gpu = taskOf(use.options({ numCpus: 1, numGpus: 2 }).remote(1));
    await says(
      gpu,
      `${gpu} (use) has waited <ms> for a worker; no node has CPU 1, GPU 2; the nearest is n-…: it needs GPU 2 (has 0).`,
    );
    const zone = taskOf(
      use.options({ labelSelector: { zone: "eu" }, resources: { only_there: 1 } }).remote(1),
    );
    await says(
      zone,
      `${zone} (use) has waited <ms> for a worker; no node has only_there 1 and zone=eu; ` +
        `the nearest is ${other.nodeId}: zone must be eu (is us).`,
    );
  });

  test("whose argument is being made: where its producer is", async () => {
    const consumer = taskOf(use.remote(first));
    await says(
      consumer,
      `${consumer} (use) has waited <ms> for argument ${first.id}: ${
        taskOf(first)
      } (hold) has been running for <ms> on worker w-… of ${here}…`,
    );
    const both = taskOf(remote((_a: unknown, _b: unknown) => 1).remote(first, hold.remote(gate)));
    await says(both, `${both} (…) has waited <ms> for argument ${first.id} (and 1 more): …`);
  });

  test("that was passed on: what it waits for there", async () => {
    const there = hold.options({
      resources: { only_there: 1 },
      schedulingStrategy: { nodeId: other.nodeId },
    });
    const runs = taskOf(there.remote(gate));
    await says(runs, `${runs} (hold) has been running for <ms> on worker w-… of ${other.nodeId}…`);
    const waits = taskOf(there.remote(gate));
    await says(
      waits,
      `${waits} (hold) has waited <ms> for a worker, with 1 worker at work on them; it was passed on to ${other.nodeId}; ` +
        `there: ${other.nodeId}: waits for only_there 1 (0 of 1 free) (… held).`,
    );
  });

  test("whose argument is on its way: from where, and how much of it has arrived", async () => {
    const node = await addNode({ numCpus: 1 });
    const make = remote(() => new Uint8Array(48 << 20), { maxRetries: 0 });
    const data = make.options({ schedulingStrategy: { nodeId: node.nodeId } }).remote();
    await wait([data], { fetchLocal: false });
    await says(data.id, `${data.id} is stored at ${node.nodeId}, 48.0 MiB.`);
    // It goes on sending nothing until it is killed, which ends the wait.
    process.kill(node.pid, "SIGSTOP");
    const reader = use.options({ schedulingStrategy: { nodeId: here }, maxRetries: 0 }).remote(data);
    await says(
      taskOf(reader),
      `${
        taskOf(reader)
      } (use) has waited <ms> for a worker; ${here} waits for argument ${data.id} (48.0 MiB), ` +
        `which ${here} pulls from ${node.nodeId}: … have arrived.`,
    );
    await node.kill();
    expect((await rejection(get(reader))).name).toBe("ObjectLostError");
  }, 20_000);

  test("whose worker processes do not start: how often, and the cause", async () => {
    const runtimeEnv = { runtime: "node", env: { NODE_OPTIONS: "--nonsense" } } as const;
    const id = taskOf(use.options({ runtimeEnv }).remote(1));
    await says(
      id,
      `${id} (use) has waited <ms> …: worker processes do not start (… times so far): …--nonsense is not allowed…`,
    );
  });

  test("that ended: how, where, after how long", async () => {
    const done = use.remote(1);
    await get(done);
    await says(
      taskOf(done),
      `${
        taskOf(done)
      } (use) finished on worker w-… of n-… after running <ms>, <ms> ago, with … B of results.`,
    );
    const failed = remote((): number => {
      throw new TypeError("no such luck");
    }, { name: "unlucky" }).remote();
    await rejection(get(failed));
    await says(
      taskOf(failed),
      `${
        taskOf(failed)
      } (unlucky) failed on worker w-… of n-… after running <ms>, <ms> ago with TaskError(TypeError): …no such luck.`,
    );
  });
});

describe("an actor", () => {
  test("that no node can run, and a call that waits for it", async () => {
    const actor = Holder.options({ numGpus: 1 }).remote();
    const id = actorOf(actor);
    const reason =
      `${id} (Holder) is to be created: no node has GPU 1; the nearest is n-…: it needs GPU 1 (has 0).`;
    await says(id, reason);
    const call = taskOf(actor.take.remote(1));
    await says(call, `${call} (Holder.take) has waited <ms> for its actor; ${reason}`);
    release(actor);
  });

  test("whose argument is being made: its creation has not left its process", async () => {
    const actor = Holder.remote(first);
    const id = actorOf(actor);
    await says(
      id,
      `${id} (Holder) has waited <ms> for argument ${first.id}: ${
        taskOf(first)
      } (hold) has been running for …`,
    );
    release(actor);
  });

  test("that waits for a resource at its node", async () => {
    const actor = Holder.options({ resources: { slot: 1 } }).remote();
    const id = actorOf(actor);
    await says(id, `${id} (Holder) is to be created: ${here}: waits for slot 1 (0 of 1 free) (… held).`);
    release(actor);
  });

  test("whose constructor runs, that lives, and that is dead", async () => {
    const Slow = remote(
      class Slow {
        async begin(gate: HandleOf<typeof Signal>): Promise<void> {
          await (await import("mobula")).get(gate.wait.remote());
        }
        constructor(gate: HandleOf<typeof Signal>) {
          void gate;
          const end = performance.now() + 1_500;
          while (performance.now() < end);
        }
      },
      { numCpus: 0 },
    );
    const actor = Slow.remote(gate);
    const id = actorOf(actor);
    await says(id, `${id} (Slow) is to be created: its constructor runs on n-….`);
    await ready(actor);
    await says(id, `${id} (Slow) has been alive for <ms> on n-…, worker w-… (pid …).`);
    await kill(actor);
    await says(id, `${id} (Slow) has been dead for <ms> (KILLED): …`);
  });

  test("that is busy: how many calls are before this one; that leaves calls in order", async () => {
    const actor = Holder.remote();
    const running = taskOf(actor.hold.remote(gate));
    const behind = taskOf(actor.take.remote(1));
    const alive = `${actorOf(actor)} (Holder) has been alive for <ms> on n-…, worker w-… (pid …).`;
    await says(
      running,
      `${running} (Holder.hold) was sent to its actor <ms> ago and has no answer yet; ${alive}`,
    );
    await says(
      behind,
      `${behind} (Holder.take) was sent to its actor <ms> ago and has no answer yet behind 1 other call of its process; ${alive}`,
    );
    const unready = taskOf(actor.take.remote(first));
    const last = taskOf(actor.take.remote(2));
    await says(unready, `${unready} (Holder.take) has waited <ms> for argument ${first.id}: …`);
    await says(
      last,
      `${last} (Holder.take) has waited <ms> for its actor, behind 1 call: calls leave in order, and ${unready} ` +
        `waits for argument ${first.id}: …`,
    );
    await kill(actor);
  });
});

test("an object that is not made yet is explained by its task", async () => {
  await says(
    first.id,
    `${first.id} is in no node's store: ${
      taskOf(first)
    } (hold) has been running for <ms> on worker w-… of ${here}…`,
  );
  const stored = await put(new Uint8Array(1 << 20));
  await says(stored.id, `${stored.id} is stored at ${here}, 1.02 MiB.`);
});

test("what nobody knows, and what is no id, is refused", async () => {
  const names = async (id: unknown) => {
    const { name, message } = await rejection(why(id as string));
    return `${name}: ${message}`;
  };
  expect(await names("t-0123456789ab-7")).toStartWith(
    'RangeError: Nobody in the cluster knows "t-0123456789ab-7"',
  );
  expect(await names(`${taskOf(first)}zzzz`)).toStartWith("RangeError: Nobody in the cluster knows");
  expect(await names("a-0123456789abcdef")).toStartWith("RangeError: Nobody in the cluster knows");
  expect(await names("o-0123456789ab-7.0")).toStartWith("RangeError: Nobody in the cluster knows");
  expect(await names("sums")).toStartWith(
    "RangeError: why explains tasks (t-…), actors (a-…), objects (o-…), placement groups (g-…), nodes (n-…), workers (w-…) and jobs (j-…)",
  );
  expect(await names(7)).toBe("TypeError: why(id): id must be a string, is 7");
});

test("a worker may ask; a restricted one may not", async () => {
  const ask = remote(async (id: string) => await (await import("mobula")).why(id), { numCpus: 0 });
  expect(await get(ask.remote(taskOf(first)))).toContain("(hold) has been running for");
  const restricted = ask.options({ runtimeEnv: { runtime: "deno", permissions: {} } });
  expect((await rejection(get(restricted.remote(taskOf(first))))).message).toContain("ask the head for why");
});

test("while the head does not answer, a process explains its own tasks", async () => {
  const head = currentDriver()!.local!.head.process;
  head.kill("SIGSTOP");
  try {
    const sentence = await why(taskOf(first));
    expect(sentence).toContain("(hold) has been running for");
    expect(sentence).toEndWith("; the head does not answer.");
  } finally {
    head.kill("SIGCONT");
  }
  await says(
    taskOf(first),
    `${taskOf(first)} (hold) has been running for <ms> on worker w-… of ${here}…wait.`,
  );
}, 20_000);

test("mobula why prints the sentence", async () => {
  const { address, token } = currentDriver()!.local!;
  const printed: string[] = [];
  const write = process.stdout.write;
  const before = process.env.MOBULA_TOKEN;
  process.env.MOBULA_TOKEN = token;
  process.stdout.write = ((text: string | Uint8Array) => printed.push(String(text)) > 0) as typeof write;
  try {
    expect(await mobula(["why", taskOf(first), "--address", address])).toBe(0);
    expect(await mobula(["why", taskOf(first), "--address", address, "--json"])).toBe(0);
  } finally {
    process.stdout.write = write;
    if (before === undefined) delete process.env.MOBULA_TOKEN;
    else process.env.MOBULA_TOKEN = before;
  }
  expect(printed[0]).toStartWith(`${taskOf(first)} (hold) has been running for`);
  expect(JSON.parse(printed.slice(1).join(""))).toEqual({ id: taskOf(first), sentence: expect.any(String) });
});
