/**
 * Jobs that are over stay: after the head and the whole cluster are gone and back, their pages answer from their records.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import type { HistoryDto } from "../../dashboard/api/history.ts";
import type { GraphDto } from "../../dashboard/api/graph.ts";
import type { ProfileDto } from "../../dashboard/api/tasks.ts";
import type { ClusterFile } from "../../runtime/process/config.ts";
import { CliSession } from "../support/cli.ts";
import { runProgram } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const session = new CliSession();
const program = join(import.meta.dirname, "programs", "short_job.ts");
let cluster: ClusterFile;

async function start(): Promise<void> {
  const small = ["--num-cpus", "2", "--object-store-bytes", "16777216"];
  cluster = await session.json("start", "--head", "--port", "0", "--dashboard-port", "0", ...small);
}

async function ask<T>(question: string): Promise<T> {
  const token = readFileSync(join(session.sessionDir, "token"), "utf8").trim();
  const url = new URL(`api/v1/${question}`, cluster.dashboardUrl!);
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`${question}: ${await response.text()}`);
  return await response.json() as T;
}

beforeAll(start, 30_000);
afterAll(() => session.end());

test(
  "two jobs end, the cluster ends and comes back: their records say what the jobs themselves counted",
  async () => {
    const env = { ...session.env, MOBULA_ADDRESS: cluster.address, MOBULA_TOKEN: "" } as Record<
      string,
      string
    >;
    for (const count of ["40", "60"]) {
      const { failed } = JSON.parse(await runProgram("bun", program, { args: [count], env }));
      expect(failed).toBe(3);
    }
    const kept = await waitFor("both records", async () => {
      const list = await ask<HistoryDto>("history?state=SUCCEEDED");
      return list.total === 2 && list;
    }, 15_000);
    const [second, first] = kept.rows;
    expect(second).toMatchObject({ finished: 60 + 3, failed: 3, unfinished: 0 });
    expect(first).toMatchObject({ finished: 40 + 3, failed: 3, unfinished: 0 });
    const live = await ask<ProfileDto>(`profile?job=${first!.jobId}`);
    expect(await ask(`record/about?job=${first!.jobId}`)).toMatchObject({ source: "live" });

    await session.mobula(["stop"]);
    await start();
    const after = await ask<HistoryDto>("history?limit=1");
    expect(after).toMatchObject({ total: 2, kept: 2, dropped: 0, rows: [{ jobId: second!.jobId }] });
    const rest = await ask<HistoryDto>(`history?limit=1&after=${after.next}`);
    expect(rest.rows.map(({ jobId }) => jobId)).toEqual([first!.jobId]);
    expect((await ask<HistoryDto>("history?q=SHORT_job")).total).toBe(2);
    expect((await ask<HistoryDto>("history?q=nothing")).rows).toEqual([]);
    expect(
      await waitFor("the list of records", async () => {
        const about = await ask<{ source: string }>(`record/about?job=${first!.jobId}`);
        return about.source === "record" && about;
      }),
    ).toMatchObject({ source: "record", state: "SUCCEEDED" });

    const profile = await ask<ProfileDto>(`profile?job=${first!.jobId}`);
    expect(profile.totals).toEqual(live.totals);
    expect(profile.totals).toMatchObject({ finished: 43, failed: 3 });
    expect(profile.functions.map(({ name, finished }) => [name, finished]).sort()).toEqual(
      live.functions.map(({ name, finished }) => [name, finished]).sort(),
    );
    expect(profile.errors[0]).toMatchObject({ errorType: "TaskError(TypeError)", count: 3 });
    const graph = await ask<GraphDto>(`graph?job=${second!.jobId}`);
    expect(graph.groups.find(({ name }) => name === "square")).toMatchObject({ finished: 60 });
    const group = graph.groups.find(({ name }) => name === "square")!.id;
    expect(await ask(`graph/group?job=${second!.jobId}&group=${encodeURIComponent(group)}`)).toMatchObject({
      shown: 60,
    });
    const lanes = await ask<{ fromMs: number; toMs: number; lanes: unknown[]; bars: number }>(
      `timeline/lanes?job=${second!.jobId}`,
    );
    expect(lanes.lanes.length).toBeGreaterThan(0);
    const bars = await ask<{ bars: unknown[] }>(`timeline/bars?job=${second!.jobId}`);
    expect(bars.bars.length).toBe(lanes.bars);
    expect(await ask(`actors/page?filter=jobId%3D${second!.jobId}`)).toMatchObject({ total: 1 });
  },
  60_000,
);
