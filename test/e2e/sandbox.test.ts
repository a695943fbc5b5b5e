/**
 * Restricted workers end to end: what Deno denies them, what their agent denies them, and what they can do all the same.
 * The hostile tasks reach for mobula's own modules and speak to the agent as the worker itself.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  get,
  type HandleOf,
  init,
  listTasks,
  nodes,
  type ObjectRef,
  put,
  remote,
  shutdown,
  TaskError,
} from "mobula";
import { PROTOCOL_VERSION } from "../../runtime/common/config.ts";
import { currentCoreWorker } from "../../runtime/io/core_worker/current.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const folder = join(leftovers.folder, "wd");
/** Nothing at all. */
const closed = { runtimeEnv: { permissions: {} } } as const;
const INTERNALS: string = new URL("../../runtime/io/core_worker/current.ts", import.meta.url).href;
let server: Server;
let url = "";

beforeAll(async () => {
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "data", "a.txt"), "readable");
  writeFileSync(join(folder, "secret.txt"), "not readable");
  server = createServer((_request, response) => response.end("reached"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await init({ numCpus: 2, numNodes: 2, dashboard: false, objectStoreBytes: 64 << 20 });
});
afterAll(async () => {
  await shutdown();
  server.close();
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

/** What a task that should fail failed with: the class's name and the message. */
async function failure(result: Promise<unknown>): Promise<[string, string]> {
  const error = await rejection<TaskError>(result);
  expect(error).toBeInstanceOf(TaskError);
  const cause = error.cause as Error;
  return [cause.name, cause.message];
}

describe("Deno denies", () => {
  const reach = remote(async (address: string) => await (await fetch(address)).text());

  test("the network: the task fails with Deno's permission error, without the restriction it succeeds", async () => {
    const [name, message] = await failure(
      get(reach.options({ runtimeEnv: { permissions: { net: false } } }).remote(url)),
    );
    expect(name).toBe("NotCapable");
    expect(message).toContain(`Requires net access to "${new URL(url).host}"`);
    const open = [{ runtime: "deno" }, { permissions: { net: true } }, {
      permissions: { net: [new URL(url).host] },
    }];
    for (const runtimeEnv of open as object[]) {
      expect(await get(reach.options({ runtimeEnv }).remote(url))).toBe("reached");
    }
    const elsewhere = { runtimeEnv: { permissions: { net: ["127.0.0.2"] } } };
    expect((await failure(get(reach.options(elsewhere).remote(url))))[0]).toBe("NotCapable");
  });

  test("files but those below the folders that are granted, and never the token", async () => {
    const read = remote(async (path: string) => (await import("node:fs")).readFileSync(path, "utf8"));
    const some = read.options({ runtimeEnv: { workingDir: folder, permissions: { read: ["./data"] } } });
    expect(await get(some.remote("./data/a.txt"))).toBe("readable");
    for (const path of ["secret.txt", "./data/../secret.txt", "/etc/passwd", "."]) {
      expect((await failure(get(some.remote(path))))[0]).toBe("NotCapable");
    }
    const all = read.options({
      runtimeEnv: { workingDir: folder, permissions: { read: true, write: true } },
    });
    expect(await get(all.remote("secret.txt"))).toBe("not readable");
    const { sessionDir } = await clusterInfo();
    for (const path of ["token", "store/gcs.db", "logs"]) {
      expect((await failure(get(all.remote(join(sessionDir, path)))))[0]).toBe("NotCapable");
    }
    const [name] = await failure(get(all.remote("/dev/shm/x")));
    expect(name).toBe("NotCapable");
    expect((await failure(get(all.remote("/proc/self/environ"))))[0]).toBe("NotCapable");
  });

  test("processes, native code, variables, remote modules and writing", async () => {
    type Globals = {
      Deno: { Command: new (path: string) => { outputSync(): unknown } } & Record<string, never>;
    };
    const attempts = remote(async () => {
      const { Deno } = globalThis as unknown as Globals;
      const tries: Record<string, () => unknown> = {
        run: () => new Deno.Command("/bin/true").outputSync(),
        spawn: async () => {
          const { error } = (await import("node:child_process")).spawnSync("/bin/true", { env: {} });
          if (error !== undefined) throw error;
        },
        ffi: () => (Deno.dlopen as unknown as (path: string, symbols: object) => unknown)("libc.so.6", {}),
        env: () => process.env.HOME,
        write: async () => (await import("node:fs")).writeFileSync("x", ""),
        link: async () => (await import("node:fs")).symlinkSync("/etc", "x"),
        import: () => import("https://deno.land/std/version.ts" as string),
      };
      const results: Record<string, string> = {};
      for (const [name, attempt] of Object.entries(tries)) {
        try {
          await attempt();
          results[name] = "done";
        } catch (error) {
          results[name] = `${(error as Error).name}: ${(error as Error).message}`;
        }
      }
      return results;
    });
    const { import: imported, ...results } = await get(attempts.options(closed).remote());
    for (const [name, result] of Object.entries(results)) {
      expect([name, result]).toEqual([name, expect.stringContaining("NotCapable")]);
    }
    expect(imported).toContain("--no-remote");
  });

  test("variables are those that were given, and only as far as they may be read", async () => {
    const read = remote((name: string) => process.env[name]);
    const given = { env: { GIVEN: "yes" }, permissions: { env: ["GIVEN", "USER", "MOBULA_TEST_FILE"] } };
    const fn = read.options({ runtimeEnv: given });
    // The agent's own variables, which may hold secrets, are not even there.
    expect(await get(["GIVEN", "USER", "MOBULA_TEST_FILE"].map((name) => fn.remote(name)))).toEqual([
      "yes",
      undefined,
      undefined,
    ] as never);
    expect((await failure(get(fn.remote("HOME"))))[0]).toBe("NotCapable");
  });
});

describe("a restricted worker works", () => {
  test("with large arguments and results, nested tasks, refs in values, its own and other actors", async () => {
    const work = remote(
      async (large: Float64Array, box: { ref: ObjectRef<string> }, counter: HandleOf<typeof Counter>) => {
        const { get, put, remote } = await import("mobula");
        const double = remote((x: number) => x * 2);
        const own = remote(
          class {
            length(text: string[]) {
              return text.length;
            }
          },
        ).remote();
        const stored = await put(Array.from({ length: 40_000 }, (_, index) => `${index}`));
        return {
          sum: large[0]! + large[large.length - 1]!,
          text: (await get(box.ref)).length,
          doubled: await get(double.remote(21)),
          own: await get(own.length.remote(stored)),
          counted: await get(counter.add.remote(5)),
          large: new Float64Array(200_000).fill(7),
        };
      },
    );
    const Counter = remote(
      class {
        value = 1;
        add(by: number): number {
          return this.value += by;
        }
      },
    );
    const counter = Counter.remote();
    const large = new Float64Array(100_000).fill(1);
    const text = await put("t".repeat(150_000));
    const result = await get(work.options(closed).remote(large, { ref: text }, counter));
    expect({ ...result, large: result.large[199_999] }).toEqual({
      sum: 2,
      text: 150_000,
      doubled: 42,
      own: 40_000,
      counted: 6,
      large: 7,
    });
    const restricted = Counter.options(closed).remote();
    expect(await get([restricted.add.remote(1), restricted.add.remote(1)])).toEqual([2, 3]);
  });

  test("on another node too: pushes and refs go through both agents", async () => {
    const work = remote(async ([ref]: ObjectRef<string>[]) => {
      const { get, remote, runtimeContext } = await import("mobula");
      const inner = await get(remote((x: number) => x + 1).remote(1));
      return [runtimeContext().nodeId, (await get(ref!)).length, inner];
    });
    const Sum = remote(
      class {
        value = 0;
        add(values: number[]): number {
          return this.value += values.length;
        }
      },
    );
    const text = await put("t".repeat(150_000));
    for (const { nodeId } of await nodes()) {
      const there = { ...closed, schedulingStrategy: { nodeId } };
      expect(await get(work.options(there).remote([text]))).toEqual([nodeId, 150_000, 2]);
      expect(await get(Sum.options(there).remote().add.remote([1, 2, 3]))).toBe(3);
    }
  });

  test("its tasks may have equal or narrower permissions, never wider ones", async () => {
    const nested = remote(async (runtimeEnv: object) => {
      const { get, remote } = await import("mobula");
      return await get(remote(() => "ran").options({ runtimeEnv }).remote());
    });
    const parent = nested.options({ runtimeEnv: { permissions: { net: ["a.org"], read: ["./data"] } } });
    for (const permissions of [{}, { net: ["a.org"] }, { read: ["./data/x"], net: false }]) {
      expect(await get(parent.remote({ permissions }))).toBe("ran");
    }
    for (const permissions of [{ net: true }, { run: ["sh"] }, { read: ["."] }, { ffi: true }]) {
      const [name, message] = await failure(get(parent.remote({ permissions })));
      expect([name, message]).toEqual([
        "AuthenticationError",
        expect.stringContaining("wider permissions than its own"),
      ]);
    }
    expect((await failure(get(parent.remote({ env: { LD_PRELOAD: "/tmp/x.so" } }))))[1]).toContain(
      "LD_PRELOAD",
    );
    expect((await failure(get(parent.remote({ runtime: "bun" }))))[1]).toContain("only Deno can");
  });
});

test("a remote function cannot leave a restricted worker: others would run it unrestricted", async () => {
  const make = remote(async () => {
    const { remote } = await import("mobula");
    return remote(() => 1);
  });
  const [name, message] = await failure(get(make.options(closed).remote()));
  expect([name, message]).toEqual([
    "TypeError",
    "a remote function or class cannot leave a restricted worker: others would run it unrestricted",
  ]);
});

describe("the agent denies", () => {
  /** Sends one request as the worker, and answers what came of it. */
  const ask = remote(
    async (internals: string, method: string, params: Record<string, unknown>, section?: Uint8Array) => {
      const { currentCoreWorker } = await import(internals) as { currentCoreWorker(): Core };
      type Core = {
        identity: { self: string; jobId: string };
        link: {
          request(method: string, params: object, sections: Uint8Array[]): Promise<{ result: unknown }>;
        };
      };
      const core = currentCoreWorker();
      const { self, jobId } = core.identity;
      const text = JSON.stringify(params).replaceAll("$SELF", self).replaceAll("$JOB", jobId);
      return (await core.link.request(method, JSON.parse(text), section === undefined ? [] : [section]))
        .result;
    },
  );
  const env = { hash: "", env: {} };
  const request = {
    requestId: "x",
    kind: "task",
    jobId: "$JOB",
    submitter: "$SELF",
    submitterNode: "n",
    taskId: "t",
    name: "evil",
    classKey: "k",
    resources: {},
    strategy: { type: "hybrid" },
    args: [],
    backlog: 1,
    depth: 0,
  };
  const sandboxed = { hash: "s", runtime: "deno", permissions: {} };

  test("everything of others: objects, the head's tables, names, code, workers", async () => {
    const secret = await put("s".repeat(150_000));
    const { id } = secret;
    const home = currentCoreWorker()!.identity.node;
    const seal = { home, owner: "$SELF", isError: false, contains: [] };
    const hostile: [string, Record<string, unknown>][] = [
      ["getObject", { requestId: "x", id, home, purpose: "get" }],
      ["waitObject", { requestId: "x", id, home, fetchLocal: true }],
      ["readObject", { id, offset: 0, length: 10 }],
      ["createObject", { id, size: 100 }],
      ["writeObject", { id, offset: 0 }],
      ["putInline", { id, ...seal }],
      ["putInline", { id: "o-$SELF-x", ...seal, contains: [{ id, home }] }],
      ["sealObject", { id, ...seal }],
      ["head", { method: "kvGet", params: { key: "x" } }],
      ["head", { method: "dashboardLink", params: {} }],
      ["head", { method: "exportFunction", params: { hash: "x", kind: "codec", name: "x" } }],
      ["getActor", { name: "x", namespace: "" }],
      ["killActor", { actorId: "a-0123456789abcdef", noRestart: true }],
      ["exportFunction", { hash: "0".repeat(64), kind: "function", name: "x" }],
      ["exportFunction", { hash: "r-$SELF-1", kind: "codec", name: "x" }],
      ["exportFunction", { hash: "r-w-other-1", kind: "function", name: "x" }],
      ["exportFunction", { hash: "folder-x", kind: "folder", name: "x" }],
      ["openRelay", { relayId: "x", nodeId: home, workerId: "w-000000000000" }],
      ["requestLease", { ...request, runtimeEnv: env }],
      ["requestLease", { ...request, runtimeEnv: { ...sandboxed, permissions: { run: true } } }],
      ["requestLease", { ...request, runtimeEnv: { ...sandboxed, env: { LD_PRELOAD: "/x" } } }],
      ["requestLease", { ...request, runtimeEnv: sandboxed, args: [{ id, home, bytes: 1 }] }],
      ["requestLease", { ...request, runtimeEnv: sandboxed, jobId: "j-other" }],
      ["registerDriver", { namespace: null, entrypoint: "" }],
      ["endJob", { jobId: "$JOB" }],
      ["createActor", { getIfExists: false, spec: { jobId: "$JOB", owner: "$SELF", runtimeEnv: env } }],
    ];
    for (const [method, params] of hostile) {
      const [name, message] = await failure(
        get(ask.options(closed).remote(INTERNALS, method, params, new Uint8Array(9))),
      );
      expect([method, name, message]).toEqual([
        method,
        expect.stringMatching(/AuthenticationError|ProtocolError/),
        expect.stringMatching(/restricted worker and may not|no method/),
      ]);
    }
    expect((await get(secret)).length).toBe(150_000);
  });

  test("forged refs: in results, in stored values, as arguments, in calls of others' actors", async () => {
    const secret = await put("s".repeat(150_000));
    const target = { id: secret.id, home: currentCoreWorker()!.identity.node };
    const forge = remote(
      async (
        internals: string,
        where: string,
        target: { id: string; home: string },
        echo?: HandleOf<typeof Echo>,
      ) => {
        const { get, put, remote } = await import("mobula");
        const { currentCoreWorker } = await import(internals) as { currentCoreWorker(): Core };
        type Core = { objects: { arrived(target: object): object; refOf(entry: object): ObjectRef<string> } };
        const { objects } = currentCoreWorker();
        const forged = objects.refOf(objects.arrived(target));
        switch (where) {
          case "get":
            return (await get(forged)).length;
          case "result":
            return [forged];
          case "put":
            return await put({ forged, more: "x".repeat(200_000) });
          case "argument":
            return await get(remote((text: string) => text.length).remote(forged));
          case "inside":
            return await get(
              remote(async ([ref]: ObjectRef<string>[]) => {
                const { get } = await import("mobula");
                return (await get(ref!)).length;
              }).remote([forged]),
            );
          default:
            return await get(echo!.length.remote(forged));
        }
      },
      { maxRetries: 0 },
    );
    const Echo = remote(
      class {
        length(text: string): number {
          return text.length;
        }
      },
    );
    const echo = Echo.remote();
    expect(await get(echo.length.remote(secret))).toBe(150_000);
    for (const where of ["get", "result", "put", "argument", "inside", "actor"]) {
      const error = await rejection(
        get(forge.options(closed).remote(INTERNALS, where, target, echo), { timeoutMs: 8_000 }),
      );
      expect([where, error.message]).toEqual([
        where,
        expect.stringMatching(/nobody gave it|gave it up|connection to its worker broke|was lost while/),
      ]);
      expect(error.message).not.toContain("150000");
    }
    expect((await get(secret)).length).toBe(150_000);
  });

  test("the secret of a worker opens nothing but its own connection, and its state shows no token", async () => {
    const connect = remote(async (internals: string, role: string, purpose: string) => {
      const base = internals.replace("core_worker/current.ts", "");
      const { connectUnix } = await import(`${base}transport/unix.ts`);
      const { currentCoreWorker } = await import(internals);
      const core = currentCoreWorker();
      const path = core.link.rpc.connection.name as string;
      const hello = {
        version: PROTOCOL_VERSION,
        token: "guessed",
        role,
        id: core.identity.self,
        clusterId: null,
        epoch: 0,
        pid: 1,
        runtime: "deno",
        purpose,
      };
      await connectUnix({ path, hello });
      return "connected";
    });
    for (const role of ["driver", "worker", "agent"]) {
      const [name] = await failure(get(connect.options(closed).remote(INTERNALS, role, "control")));
      expect(name).toBe("AuthenticationError");
    }
    expect((await listTasks({ limit: 1 })).length).toBe(1);
  });
});

test("one that never yields ends with its agent, though it may not ask the kernel itself", async () => {
  const Spinner = remote(
    class {
      pid(): number {
        return process.pid;
      }
      spin(): void {
        for (;;);
      }
    },
  );
  const here = currentCoreWorker()!.identity.node;
  const other = (await clusterInfo()).nodes.find(({ nodeId }) => nodeId !== here)!;
  const spinner = Spinner.options({ ...closed, schedulingStrategy: { nodeId: other.nodeId } }).remote();
  const pid = await get(spinner.pid.remote());
  const spinning = spinner.spin.remote();
  await endProcess(other.pid);
  await waitFor("its worker is gone", () => !isAlive(pid));
  await rejection(get(spinning));
});

async function clusterInfo(): Promise<{ sessionDir: string; nodes: { nodeId: string; pid: number }[] }> {
  const { result } = await currentCoreWorker()!.link.request("head", { method: "clusterInfo", params: {} });
  return result as { sessionDir: string; nodes: { nodeId: string; pid: number }[] };
}
