/** Drivers of a running cluster, each in its own way: over the session's socket and over HTTP/2, on three runtimes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AuthenticationError, availableResources, init, listActors, listObjects, shutdown } from "mobula";
import { CliSession } from "../support/cli.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const programs = join(import.meta.dirname, "programs");
const session = new CliSession();
const elsewhere = new CliSession();
let env: Record<string, string> = {};

beforeAll(async () => {
  const args = [
    "--port",
    "0",
    "--dashboard-port",
    "0",
    "--num-cpus",
    "2",
    "--object-store-bytes",
    "134217728",
  ];
  const { address } = await session.json<{ address: string }>("start", "--head", ...args);
  const token = readFileSync(join(session.sessionDir, "token"), "utf8").trim();
  env = { MOBULA_ADDRESS: address, MOBULA_TOKEN: token };
});
afterAll(async () => {
  await shutdown();
  await session.end();
  await elsewhere.end();
  await leftovers.check();
});

for (const runtime of RUNTIMES) {
  for (const how of ["its session's socket", "HTTP/2"] as const) {
    test(`does the same for a driver over ${how}, under ${runtime}`, async () => {
      const sessionDir = how === "HTTP/2" ? elsewhere.sessionDir : session.sessionDir;
      const out = await runProgram(runtime, join(programs, "attached.ts"), {
        env: { ...env, MOBULA_SESSION_DIR: sessionDir },
      });
      expect(JSON.parse(out)).toEqual({
        stored: [10485760, 5, 5],
        argument: [10485760, 5, 5],
        nested: 10485760,
        made: [10485760, 7, 7],
        large: [10485760, 3, 3],
        counts: 20,
        many: 200,
        waited: [2, 0],
        failed: [true, false],
        nodes: 1,
      });
    });
  }
}

test("lets nobody in with a wrong token", async () => {
  for (const token of ["wrong", env.MOBULA_TOKEN!.slice(1)]) {
    const error = await rejection(init({ address: env.MOBULA_ADDRESS!, token }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error.message).not.toContain(env.MOBULA_TOKEN!.slice(1));
  }
});

test("NODE-04 keeps the functions of two drivers apart", async () => {
  const both = ["plus", "minus"].map((sign) =>
    runProgram("bun", join(programs, "isolated.ts"), { args: [sign], env })
  );
  expect(await Promise.all(both)).toEqual(["0\n", "0\n"]);
});

test("the cluster is as it was: no objects, no actors, no leases", async () => {
  await init({ address: env.MOBULA_ADDRESS!, token: env.MOBULA_TOKEN! });
  await waitFor("no objects", async () => (await listObjects()).length === 0);
  await waitFor("no actors", async () => (await listActors()).every((actor) => actor.state === "DEAD"));
  await waitFor("free CPUs", async () => (await availableResources()).CPU === 2);
  interface Status {
    nodes: { objectStore: { usedBytes: number; objects: number } }[];
  }
  await waitFor("an empty store", async () => {
    const { objectStore } = (await session.json<Status>("status")).nodes[0]!;
    return objectStore.usedBytes === 0 && objectStore.objects === 0;
  });
  await shutdown();
});
