/** Ends of actors against real processes: exitActor(), the shutdown hook, restarts, deaths of owners and nodes. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  exitActor,
  get,
  type HandleOf,
  kill,
  listActors,
  onShutdown,
  ready,
  release,
  remote,
  shutdown,
  wait,
} from "mobula";
import { Signal, Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";

const leftovers = watchLeftovers();
/** Where actors leave marks when they end. */
const marks = mkdtempSync(join(tmpdir(), "marks-"));

beforeAll(async () => {
  process.env["MOBULA_SHUTDOWN_GRACE_MS"] = "1000";
  await startCases({ numCpus: 4 });
  delete process.env["MOBULA_SHUTDOWN_GRACE_MS"];
});
afterAll(async () => {
  await shutdown();
  rmSync(marks, { recursive: true });
  await leftovers.check();
});

/** The lines of a mark, once it is there. */
async function marksOf(name: string): Promise<string[]> {
  const path = join(marks, name);
  await waitFor(`the mark ${name}`, () => existsSync(path));
  return readFileSync(path, "utf8").trim().split("\n");
}

async function rowOf(pid: number): Promise<Record<string, unknown> | undefined> {
  return (await listActors({ filters: [`pid=${pid}`] }))[0];
}

/** An actor that ends itself in every way, and writes down its end. */
const Leaver = remote(
  class Leaver {
    mark: string;
    constructor(mark: string) {
      this.mark = mark;
      process.on("exit", () => this.write("process exit"));
    }
    write(line: string): void {
      process.getBuiltinModule("node:fs").appendFileSync(this.mark, line + "\n");
    }
    pid(): number {
      return process.pid;
    }
    leave(): void {
      exitActor();
      this.write("behind exitActor");
    }
    async leaveLater(): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 1));
      process.getBuiltinModule("node:fs").writeFileSync(`${this.mark}.leaving`, "");
      exitActor();
      this.write("behind exitActor");
    }
    leaveAndCatch(): string {
      try {
        exitActor();
      } catch {
        return "caught";
      }
    }
    async hold(gate: HandleOf<typeof Signal>): Promise<string> {
      await get(gate.wait.remote());
      return "held".repeat(5_000);
    }
    [onShutdown](): void {
      this.write("hook");
    }
  },
  { maxRestarts: 3, maxTaskRetries: 3 },
);

describe("exitActor()", () => {
  test("AFT-19 outside of an actor it is a TypeError", async () => {
    expect(() => exitActor()).toThrow(TypeError);
    const task = remote(() => exitActor());
    const error = await rejection(get(task.remote()));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain("inside an actor");
  });

  for (const method of ["leave", "leaveLater", "leaveAndCatch"] as const) {
    test(`AFT-20 AFT-26 ${method}: nothing behind it runs, hooks run, callers hear why, no restart`, async () => {
      const mark = join(marks, method);
      const leaver = Leaver.remote(mark);
      const pid = await get(leaver.pid.remote());
      const last = leaver[method].remote();
      const behind = leaver.pid.remote();
      for (const call of [last, behind]) {
        const error = await rejection<ActorDiedError>(get<unknown>(call));
        expect(error).toBeInstanceOf(ActorDiedError);
        expect(error.message).toContain("exitActor()");
        expect(error.actorInitFailed).toBe(false);
      }
      await waitFor("its process ends", () => !isAlive(pid));
      expect(await marksOf(method)).toEqual(["hook", "process exit"]);
      expect(await rejection(get(leaver.pid.remote()))).toBeInstanceOf(ActorDiedError);
      expect(await rowOf(pid)).toMatchObject({ state: "DEAD", deathCause: "EXITED", numRestarts: 0 });
    });
  }

  test("in the constructor it is a creation that failed", async () => {
    const Never = remote(
      class Never {
        constructor() {
          exitActor();
        }
      },
    );
    const error = await rejection<ActorDiedError>(ready(Never.remote()));
    expect(error.actorInitFailed).toBe(true);
    expect(error.message).toContain("exitActor()");
  });

  test("AFT-22 calls that run end first and are answered, however large what they give is", async () => {
    const gate = Signal.remote();
    const leaver = Leaver.options({ maxConcurrency: 4 }).remote(join(marks, "drained"));
    const pid = await get(leaver.pid.remote());
    const held = [leaver.hold.remote(gate), leaver.hold.remote(gate)];
    await waitFor("both run", async () => await get(gate.waiters.remote()) === 2);
    const last = leaver.leaveLater.remote();
    await marksOf("drained.leaving");
    const late = leaver.pid.remote();
    expect((await wait([late, last, ...held], { timeoutMs: 300 }))[0]).toEqual([]);
    expect(isAlive(pid)).toBe(true);
    await get(gate.send.remote());
    expect(await get(held)).toEqual(Array(2).fill("held".repeat(5_000)));
    expect(await rejection(get(last))).toBeInstanceOf(ActorDiedError);
    expect(await rejection(get(late))).toBeInstanceOf(ActorDiedError);
    await waitFor("its process ends", () => !isAlive(pid));
    await waitFor("it is dead", async () => (await rowOf(pid))?.["state"] === "DEAD");
    release(gate);
  });
});

describe("the shutdown hook", () => {
  const Hooked = remote(
    class Hooked {
      mark: string;
      how: "work" | "throw" | "hang" | "block";
      constructor(mark: string, how: "work" | "throw" | "hang" | "block") {
        this.mark = mark;
        this.how = how;
        process.on("exit", () => this.write("process exit"));
      }
      write(line: string): void {
        process.getBuiltinModule("node:fs").appendFileSync(this.mark, line + "\n");
      }
      pid(): number {
        return process.pid;
      }
      async [onShutdown](): Promise<void> {
        this.write("hook");
        if (this.how === "throw") throw new Error("the hook's own trouble");
        if (this.how === "hang") await new Promise((resolve) => setTimeout(resolve, 60_000));
        if (this.how === "block") {
          const startMs = performance.now();
          while (performance.now() - startMs < 60_000);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
        this.write("hook's end");
      }
    },
    { maxRestarts: 1 },
  );

  test("AFT-23 it runs once when the last handle goes, before the process's own", async () => {
    const hooked = Hooked.remote(join(marks, "scope"), "work");
    const pid = await get(hooked.pid.remote());
    release(hooked);
    await waitFor("its process ends", () => !isAlive(pid));
    expect(await marksOf("scope")).toEqual(["hook", "hook's end", "process exit"]);
    const row = await waitFor("its row", async () => (await rowOf(pid))?.["state"] === "DEAD" && rowOf(pid));
    expect(row).toMatchObject({ deathCause: "OUT_OF_SCOPE", numRestarts: 0 });
  });

  test("AFT-23 what it throws is swallowed", async () => {
    const hooked = Hooked.remote(join(marks, "thrown"), "throw");
    const pid = await get(hooked.pid.remote());
    release(hooked);
    await waitFor("its process ends", () => !isAlive(pid));
    expect(await marksOf("thrown")).toEqual(["hook", "process exit"]);
    await waitFor("it is dead", async () => (await rowOf(pid))?.["deathCause"] === "OUT_OF_SCOPE");
  });

  for (const how of ["hang", "block"] as const) {
    test(`AFT-25 one that does not end (${how}) is ended by force after the grace period`, async () => {
      const hooked = Hooked.remote(join(marks, how), how);
      const pid = await get(hooked.pid.remote());
      const startMs = performance.now();
      release(hooked);
      expect(await marksOf(how)).toEqual(["hook"]);
      await waitFor("its process ends", () => !isAlive(pid));
      expect(performance.now() - startMs).toBeGreaterThan(900);
      expect(await marksOf(how)).toEqual(["hook"]);
      await waitFor("it is dead", async () => (await rowOf(pid))?.["deathCause"] === "OUT_OF_SCOPE");
    });
  }

  test("kill does not run it", async () => {
    const mark = join(marks, "killed");
    const hooked = Hooked.remote(mark, "work");
    const pid = await get(hooked.pid.remote());
    await kill(hooked);
    await waitFor("its process ends", () => !isAlive(pid));
    expect(existsSync(mark)).toBe(false);
  });

  test("it may still call and get", async () => {
    const tally = Tally.remote();
    const Caller = remote(
      class Caller {
        tally: HandleOf<typeof Tally>;
        constructor(tally: HandleOf<typeof Tally>) {
          this.tally = tally;
        }
        async [onShutdown](): Promise<void> {
          await get(this.tally.add.remote("farewell"));
        }
      },
    );
    const caller = Caller.remote(tally);
    await ready(caller);
    release(caller);
    await waitFor("it has called", async () => await get(tally.read.remote()) === 1);
    expect(await get(tally.take.remote())).toEqual(["farewell"]);
    release(tally);
  });
});
