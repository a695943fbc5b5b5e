/** Drivers that come by the HTTP port, as processes: both ways in, on and with all runtimes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram, type Runtime, RUNTIMES } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { EXPECTED } from "./programs/exercise.ts";
import { WebCluster } from "./web_cluster.ts";

const leftovers = watchLeftovers();
const program = join(import.meta.dirname, "programs/process.ts");

for (const head of RUNTIMES) {
  describe(`a head on ${head}`, () => {
    const cluster = new WebCluster();
    beforeAll(() => cluster.start({ runtime: head }));
    afterAll(() => cluster.end());

    // One of each pair of runtimes, and both ways in, are enough: what differs is either side's sockets.
    const clients: readonly Runtime[] = head === "bun" ? RUNTIMES : [head === "node" ? "deno" : "node"];
    for (const runtime of clients) {
      for (const transport of ["websocket", "fetch"] as const) {
        test(`serves a driver on ${runtime} by ${transport}`, async () => {
          const env = { WEB_URL: cluster.url, WEB_TOKEN: cluster.token, WEB_TRANSPORT: transport };
          expect(JSON.parse(await runProgram(runtime, program, { env }))).toEqual(EXPECTED);
        });
      }
    }

    test("is as it was afterwards: all jobs ended well, nothing is held", async () => {
      await waitFor("no objects", async () => (await cluster.rows("objects")).length === 0);
      await waitFor(
        "no actors",
        async () => (await cluster.rows("actors")).every((row) => row.state === "DEAD"),
      );
      const jobs = await cluster.rows("jobs");
      expect(jobs.map((job) => [job.state, job.runtime])).toEqual(
        jobs.map((job) => ["SUCCEEDED", job.runtime === "cli" ? "cli" : "web"]),
      );
      expect(jobs.length).toBe(2 * clients.length);
    });
  });
}

afterAll(() => leftovers.check());
