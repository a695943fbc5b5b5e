/** Named and detached actors, and what drivers leave to others when they end, against real processes. */
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  type ActorHandle,
  availableResources,
  get,
  getActor,
  init,
  kill,
  listJobs,
  MobulaError,
  NameTakenError,
  ready,
  release,
  remote,
  runtimeContext,
  shutdown,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { runtimeOfRun } from "../conformance/cases.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive, rejection } from "../support/processes.ts";
import { runProgram, runtimeCommand } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const program = `${import.meta.dirname}/programs/other_driver.ts`;

beforeAll(async () => {
  await init({
    numCpus: 4,
    resources: { slot: 4 },
    dashboard: false,
    objectStoreBytes: 32 << 20,
    ...runtimeOfRun,
  });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const Counter = remote(
  class Counter {
    count = 0;
    increment(): number {
      return ++this.count;
    }
    pid(): number {
      return process.pid;
    }
  },
);
type CounterMethods = { increment(): number; pid(): number };
const use = remote(async (counter: ActorHandle<CounterMethods>) => await get(counter.increment.remote()));
const pass = remote(async ({ counter }: { counter: ActorHandle<CounterMethods> }) =>
  await get(use.remote(counter))
);

/** What a driver of its own prints, as JSON. It finds the cluster by address and token alone. */
async function otherDriver<T>(args: string[], namespace?: string): Promise<T> {
  return JSON.parse(await runProgram("bun", program, { args, env: otherEnv(namespace) })) as T;
}

function otherEnv(namespace?: string): Record<string, string> {
  const { local } = currentDriver()!;
  return {
    MOBULA_ADDRESS: local!.address,
    MOBULA_TOKEN: local!.token,
    ...(namespace !== undefined && { TEST_NAMESPACE: namespace }),
  };
}

describe("names", () => {
  test("NAME-01 NAME-14 a name and a namespace are texts that are not empty", async () => {
    // deno-lint-ignore no-explicit-any -- wrong on purpose
    const wrong: any = 1;
    expect(() => Counter.options({ name: wrong })).toThrow(TypeError);
    expect(() => Counter.options({ name: "" })).toThrow(RangeError);
    expect(() => Counter.options({ name: "a", namespace: "" })).toThrow(RangeError);
    expect(() => Counter.options({ name: "a", namespace: wrong })).toThrow(TypeError);
    expect(await rejection(getActor(wrong))).toBeInstanceOf(TypeError);
    expect(await rejection(getActor(""))).toBeInstanceOf(RangeError);
    expect(await rejection(getActor("a", { namespace: "" }))).toBeInstanceOf(RangeError);
    expect(await rejection(getActor("a", { namespace: wrong }))).toBeInstanceOf(TypeError);
    expect(await rejection(init({ namespace: "" }))).toBeInstanceOf(RangeError);
    expect(await rejection(init({ namespace: wrong }))).toBeInstanceOf(TypeError);
    expect((await rejection(getActor("nobody"))).message).toContain('"nobody"');
  });

  test("NAME-02 a taken name rejects ready and every call, and the first actor goes on", async () => {
    const first = Counter.options({ name: "d" }).remote();
    const second = Counter.options({ name: "d" }).remote();
    const call = second.increment.remote();
    const error = await rejection(ready(second));
    expect(error).toBeInstanceOf(NameTakenError);
    expect(error.message).toContain('"d"');
    expect(await rejection(get(call))).toBeInstanceOf(NameTakenError);
    expect(await rejection(get(second.increment.remote()))).toBeInstanceOf(NameTakenError);
    expect(await get(first.increment.remote())).toBe(1);
    const found = await getActor<CounterMethods>("d");
    expect(await get(found.increment.remote())).toBe(2);
    // A named actor outlives its handles.
    release(first);
    release(found);
    const again = await getActor<CounterMethods>("d");
    expect(await get(again.increment.remote())).toBe(3);
    await kill(again);
  });

  test("NAME-07 kill frees the name at once, also from inside a task", async () => {
    const churn = remote(async (Class: typeof Counter, rounds: number) => {
      const { get, kill } = await import("mobula");
      let sum = 0;
      for (let round = 0; round < rounds; round++) {
        const actor = Class.options({ name: "churn" }).remote();
        // Killed while it is being made, or after a call: both free the name.
        if (round % 5 === 0) sum += await get(actor.increment.remote());
        await kill(actor);
      }
      return sum;
    });
    expect(await get(churn.remote(Counter, 50))).toBe(10);
    expect(await rejection(getActor("churn"))).toBeInstanceOf(MobulaError);
  }, 20_000);

  test("NAME-08 a killed actor is not found by its name, one that is restarted is, and works", async () => {
    const Lasting = Counter.options({ name: "killed", lifetime: "detached", maxRestarts: 1 });
    const first = Lasting.remote();
    expect(await get(first.increment.remote())).toBe(1);
    await kill(first);
    expect((await rejection(getActor("killed"))).message).toContain('"killed"');
    const second = Lasting.remote();
    const pid = await get(second.pid.remote());
    await kill(second, { noRestart: false });
    const found = await getActor<CounterMethods>("killed");
    expect(await get(found.increment.remote())).toBe(1);
    expect(await get(found.pid.remote())).not.toBe(pid);
    await kill(found);
  });

  test("NAME-10 getIfExists takes the living one, and needs a name", async () => {
    expect(() => Counter.options({ getIfExists: true })).toThrow(/name/);
    const Shared = Counter.options({ name: "shared", getIfExists: true });
    const [a, b] = [Shared.remote(), Shared.remote()];
    const [pidA, pidB] = await get([a.pid.remote(), b.pid.remote()]);
    expect(pidA).toBe(pidB);
    expect(await get(a.increment.remote())).toBe(1);
    expect(await get(b.increment.remote())).toBe(2);
    await kill(a);
    expect(await rejection(get(b.pid.remote()))).toBeInstanceOf(ActorDiedError);
    const next = Shared.remote();
    expect(await get(next.pid.remote())).not.toBe(pidA);
    await kill(next);
  });

  test("a handle that leaves while its name is looked up stands for the actor that has the name", async () => {
    const One = Counter.options({ name: "passed-on", getIfExists: true });
    const first = One.remote();
    expect(await get(use.remote(first))).toBe(1);
    expect(await get(use.remote(One.remote()))).toBe(2);
    expect(await get(pass.remote({ counter: One.remote() }))).toBe(3);
    expect(await get(first.increment.remote())).toBe(4);
    await kill(first);
  });

  test("NAME-11 many rounds of get-or-create, from here and from a task, give no error", async () => {
    const Shared = Counter.options({ name: "round", getIfExists: true });
    const inside = remote(async (Shared: typeof Counter) => {
      const { get, release } = await import("mobula");
      const pids: number[] = [];
      for (let round = 0; round < 20; round++) {
        const actor = Shared.remote();
        pids.push(await get(actor.pid.remote()));
        release(actor);
      }
      return pids;
    });
    const theirs = inside.remote(Shared);
    const ours: number[] = [];
    for (let round = 0; round < 20; round++) {
      const actor = Shared.remote();
      ours.push(await get(actor.pid.remote()));
      release(actor);
    }
    expect(new Set([...ours, ...await get(theirs)]).size).toBe(1);
    await kill(Shared.remote());
  });
});

describe("drivers", () => {
  test("NAME-04 a named actor ends with the driver that made it, and its name is free", async () => {
    const { namespace } = runtimeContext();
    const [pings, pid] = await otherDriver<[number, number]>(["named", "theirs"], namespace);
    expect(pings).toBe(1);
    await waitFor("its process ends", () => !isAlive(pid));
    const mine = await waitFor("the name is free", async () => {
      const actor = Counter.options({ name: "theirs" }).remote();
      return await ready(actor).then(() => actor, () => null);
    });
    expect(await get(mine.increment.remote())).toBe(1);
    expect(await otherDriver<string>(["taken", "theirs"], namespace)).toBe("NameTakenError");
    await kill(mine);
  });

  test("NAME-05 a detached actor works without its creator, and makes tasks and actors itself", async () => {
    const { namespace } = runtimeContext();
    expect(await otherDriver<[number, string]>(["detached", "lasting"], namespace)).toEqual([1, namespace]);
    const lasting = await getActor<{ ping(): number; work(): Promise<number> }>("lasting");
    expect(await get(lasting.ping.remote())).toBe(2);
    expect(await get(lasting.work.remote())).toBe(3);
    expect(await otherDriver<number>(["use", "lasting"], namespace)).toBe(3);
    expect(await otherDriver<string>(["kill", "lasting"], namespace)).toBe("MobulaError");
    expect(await rejection(get(lasting.ping.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test("NAME-13 without a namespace each driver has its own, so equal names do not meet", async () => {
    const [, one] = await otherDriver<[number, string]>(["detached", "pinger"]);
    const [, two] = await otherDriver<[number, string]>(["detached", "pinger"]);
    expect(new Set([one, two, runtimeContext().namespace]).size).toBe(3);
    for (const namespace of [one, two]) await kill(await getActor("pinger", { namespace }));
  });

  test("NODE-05 each driver hears its own failures and prints its own workers' lines", async () => {
    const said: string[] = [];
    const { write } = process.stderr;
    process.stderr.write = ((text: string | Uint8Array) => said.push(String(text)) > 0) as typeof write;
    const other = spawn(runtimeCommand("bun", program)[0]!, [program, "fail", "theirs"], {
      env: { ...process.env, ...otherEnv() },
      stdio: ["pipe", "pipe", "pipe"],
    });
    try {
      let theirs = "", answer = "";
      other.stderr.on("data", (chunk: Uint8Array) => theirs += String(chunk));
      other.stdout.on("data", (chunk: Uint8Array) => answer += String(chunk));
      const failing = remote((who: string) => {
        console.error(`${who} printed`);
        throw new RangeError(`${who} failed`);
      });
      const error = await rejection(get(failing.remote("ours")));
      expect(error.message).toContain("ours failed");
      expect(error.message).not.toContain("theirs");
      await waitFor(
        "both have printed",
        () => said.join("").includes("ours printed") && theirs.includes("theirs printed"),
      );
      const ended = new Promise((resolve) => other.once("close", resolve));
      other.stdin.end("end\n");
      expect(await ended).toBe(0);
      expect(answer).toContain("theirs failed");
      expect(answer + theirs).not.toContain("ours");
      expect(said.join("")).not.toContain("theirs");
    } finally {
      process.stderr.write = write;
      other.kill("SIGKILL");
    }
  });

  for (const end of ["cleanly", "by kill -9"] as const) {
    test(`NODE-02 a driver that ends ${end} gives everything back`, async () => {
      const child = spawn(runtimeCommand("bun", program)[0]!, [
        program,
        "flood",
        end === "cleanly" ? "" : "stay",
      ], {
        env: { ...process.env, ...otherEnv() },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const pids = await new Promise<number[]>((resolve, reject) => {
        child.stdout.once("data", (chunk: Uint8Array) => resolve(JSON.parse(`${chunk}`.split("\n")[0]!)));
        child.once("close", () => reject(new Error("it ended before it ran")));
      });
      expect(pids).toHaveLength(3);
      if (end !== "cleanly") child.kill("SIGKILL");
      await waitFor("its actors end", () => pids.every((pid) => !isAlive(pid)));
      await waitFor("all slots are free", async () => (await availableResources()).slot === 4);
      await waitFor("its job has ended", async () => {
        const jobs = await listJobs();
        return jobs.length >= 2 && jobs.filter((job) => job.state === "RUNNING").length === 1;
      });
      // And are really there for others.
      const use = remote(() => 1, { numCpus: 0, resources: { slot: 4 } });
      expect(await get(use.remote())).toBe(1);
    });
  }
});
