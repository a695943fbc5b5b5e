/** How drivers begin and end: init in every form, and that nothing is left whatever ends them. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  get,
  init,
  type InitOptions,
  isInitialized,
  MobulaError,
  nodes,
  put,
  remote,
  runtimeContext,
  shutdown,
} from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive, rejection } from "../support/processes.ts";
import { RUNTIMES } from "../support/run_program.ts";
import { StartedProgram } from "../support/started_program.ts";

const leftovers = watchLeftovers();
const programs = join(import.meta.dirname, "programs");
const DRIVER = join(programs, "driver.ts");

afterEach(async () => {
  await shutdown();
});
afterAll(async () => {
  await leftovers.check();
});

describe("a driver that ends", () => {
  for (const runtime of RUNTIMES) {
    test(`without init() and shutdown() leaves nothing, under ${runtime}`, async () => {
      const driver = new StartedProgram(runtime, DRIVER, { args: ["implicit"] });
      expect(await driver.line()).toBe("3 5242880");
      expect(await driver.ended).toBe(0);
      await leftovers.gone();
      expect(driver.errors).toBe("");
    });

    test(`by kill -9 leaves nothing within 2 s, under ${runtime}`, async () => {
      const driver = new StartedProgram(runtime, DRIVER, { args: ["stays"] });
      const pids = JSON.parse(await driver.line()) as number[];
      expect(pids.every(isAlive)).toBe(true);
      driver.kill("SIGKILL");
      expect(await driver.ended).toBe("SIGKILL");
      await leftovers.gone(2_000);
      expect(pids.some(isAlive)).toBe(false);
    });
  }

  test("because its agent crashed says how that ended, also when it shuts down at once", async () => {
    const driver = new StartedProgram("bun", DRIVER, { args: ["crash"] });
    process.kill(Number(await driver.line()), "SIGABRT");
    expect(await driver.ended).toBe(0);
    expect(driver.errors).toMatch(/The cluster's agent of n-\w+ ended with SIGABRT/);
    await leftovers.gone();
  });

  test("by an error that nobody catches, by process.exit() and by signals leaves nothing", async () => {
    for (const [what, code] of [["throws", 1], ["exits", 3]] as const) {
      const driver = new StartedProgram("bun", DRIVER, { args: [what] });
      await driver.line();
      expect(await driver.ended).toBe(code);
      await leftovers.gone();
    }
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      const driver = new StartedProgram("bun", DRIVER, { args: ["stays"] });
      await driver.line();
      driver.kill(signal);
      expect(await driver.ended).not.toBe(0);
      await leftovers.gone();
    }
  });

  for (const runtime of RUNTIMES) {
    test(`a killed agent fails all that waits, and nothing hangs, under ${runtime}`, async () => {
      const driver = new StartedProgram(runtime, DRIVER, { args: ["lost"] });
      process.kill(Number(await driver.line()), "SIGKILL");
      const outcomes: string[] = [];
      for (let n = 0; n < 6; n++) outcomes.push(await driver.line());
      expect(await driver.ended).toBe(0);
      for (const outcome of outcomes) expect(outcome).toMatch(/^(\w+Error): .*(agent|node)/);
      // Its pool has no owner any more: the next agent sweeps it.
      await init({ numCpus: 1, dashboard: false });
      await shutdown();
      await leftovers.gone();
    });
  }
});

describe("init", () => {
  const one = remote(() => 1);

  test("NODE-10 a second time is refused, and possible again after shutdown", async () => {
    await init({ numCpus: 1, dashboard: false });
    expect(isInitialized()).toBe(true);
    const error = await rejection(init());
    expect(error).toBeInstanceOf(MobulaError);
    expect(error.message).toContain("shutdown()");
    const old = one.remote();
    expect(await get(old)).toBe(1);
    const stored = await put(new Uint8Array(1 << 20));
    await shutdown();
    await shutdown();
    expect(isInitialized()).toBe(false);

    await init({ numCpus: 1, dashboard: false });
    expect(await get(one.remote())).toBe(1);
    // A ref of the cluster that is gone fails at once, and so does a task that takes it.
    const gone = await rejection(get(stored, { timeoutMs: 5_000 }));
    expect(gone).toBeInstanceOf(MobulaError);
    expect(gone.message).toContain(stored.id);
    expect(await rejection((async () => await get(remote((x: unknown) => x).remote(stored)))()))
      .toBeInstanceOf(MobulaError);
    stored.release();
  });

  test("that shutdown() overtakes is refused, and leaves nothing", async () => {
    const early = rejection(init({ numCpus: 1, dashboard: false }));
    await shutdown();
    expect(await early).toMatchObject({ code: "ShutDown" });
    expect(isInitialized()).toBe(false);
    await leftovers.gone();
  });

  test("in a worker joins the worker's cluster, and leaving it there ends nothing", async () => {
    const { address } = await init({ numCpus: 1, dashboard: false });
    const inside = remote(async () => {
      const { init, shutdown } = await import("mobula");
      const cluster = await init();
      await shutdown();
      await cluster[Symbol.asyncDispose]();
      return [cluster.address, cluster.dashboardUrl];
    });
    expect(await get(inside.remote())).toEqual([address, undefined]);
    expect(await get(one.remote())).toBe(1);
  });

  test("at the first call starts a cluster by itself", async () => {
    expect(isInitialized()).toBe(false);
    expect(() => runtimeContext()).toThrow(MobulaError);
    const ref = one.remote();
    expect(isInitialized()).toBe(true);
    expect(await get(ref)).toBe(1);
    expect((await rejection(init())).message).toContain("twice");
  });

  test.each<[string, unknown, typeof TypeError | typeof RangeError]>([
    ["numCPUs", { numCPUs: 1 }, TypeError],
    ["numCpus", { numCpus: "2" }, TypeError],
    ["numCpus", { numCpus: -1 }, RangeError],
    ["objectStoreBytes", { objectStoreBytes: 0 }, RangeError],
    ["namespace", { namespace: "" }, RangeError],
    ["namespace", { namespace: 5 }, TypeError],
    ["address", { address: 6380 }, TypeError],
    ["HOST:PORT", { address: "nonsense" }, TypeError],
    ["HOST:PORT", { address: "http://127.0.0.1:6380", token: "x" }, TypeError],
    ["port", { address: "localhost:99999" }, RangeError],
    ["GPU", { resources: { GPU: 1 } }, RangeError],
    ["dashboard", { dashboard: 1 }, TypeError],
    ["numCpus", { address: "127.0.0.1:1", numCpus: 1 }, RangeError],
    ["objectStoreBytes", { address: "auto", objectStoreBytes: 1 << 20 }, RangeError],
  ])("NODE-10 refuses a bad %s: %j", async (name, options, kind) => {
    const error = await rejection(init(options as InitOptions));
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(name);
    expect(isInitialized()).toBe(false);
  });

  test("names an address where nothing is, at init and in what was submitted before", async () => {
    const error = await rejection(init({ address: "127.0.0.1:1", token: "x" }));
    expect(error).toBeInstanceOf(MobulaError);
    expect(error).toMatchObject({ code: "ConnectError", message: expect.stringContaining("127.0.0.1:1") });
    expect(isInitialized()).toBe(false);
    expect((await rejection(init({ address: "auto" }))).message).toContain("mobula start --head");
    process.env.MOBULA_ADDRESS = "127.0.0.1:1";
    process.env.MOBULA_TOKEN = "x";
    try {
      const early = [get(one.remote()), put(new Uint8Array(1 << 20)), nodes()];
      for (const error of await Promise.all(early.map((each) => rejection(each)))) {
        expect(error.message).toContain("127.0.0.1:1");
      }
    } finally {
      delete process.env.MOBULA_ADDRESS;
      delete process.env.MOBULA_TOKEN;
    }
    await shutdown();
    await init({ numCpus: 1, dashboard: false });
    expect(await get(one.remote())).toBe(1);
  });
});
