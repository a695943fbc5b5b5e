/**
 * Records of jobs in the store: kept by age and size, the oldest go first and are counted; a record answers as a live job does.
 */
import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import type { HistoryDto } from "../../../dashboard/api/history.ts";
import type { JobRecord } from "../../../dashboard/api/job_record.ts";
import { answerFromRecord, recordParams } from "../../../dashboard/api/record_answers.ts";
import { TILE_BINS, type TimelineTileDto } from "../../../dashboard/api/timeline.ts";
import { StoreReader } from "../../../runtime/io/storage/reader_client.ts";
import type { StoreWrite } from "../../../runtime/io/storage/rows.ts";
import { open, task, temporaryFolder, until } from "./store_fixture.ts";

function record(jobId: string, madeMs: number, bytes: number): StoreWrite {
  const json = JSON.stringify({
    actors: [],
    objects: [],
    base: { job: { jobId, state: "RUNNING" }, profile: { jobId } },
  });
  const put = {
    ...{ jobId, name: `bun ${jobId}.ts`, namespace: "", state: "SUCCEEDED", message: "" },
    ...{ startedMs: madeMs - 10, endedMs: madeMs, madeMs, finished: 1, failed: 0, unfinished: 0, bytes },
    record: new Uint8Array(gzipSync(json)),
  };
  return { table: "jobRecords", put };
}

test("records go by age, then the oldest until the rest fits, and are counted", async () => {
  using folder = temporaryFolder();
  const now = Date.now();
  const limits = { recordBytesMax: 250, recordAgeMs: 1_000_000 };
  const store = await open(folder.path, { limits });
  store.write(record("j-old", now - 2_000_000, 1));
  for (let i = 0; i < 5; i++) store.write(record(`j-${i}`, now - 1_000 + i, 100));
  await store.committed();
  // Pruning comes by the number of commits.
  for (let i = 0; i < 510; i++) {
    store.record(task(`t-${i}`));
    store.write({ table: "names", put: { namespace: "n", name: "n", actorId: `a-${i}` } });
    await store.committed();
  }
  const reader = new StoreReader({ url: null, dir: folder.path, runtime: "bun" });
  const wanted = { text: null, state: null, fromMs: null, toMs: null, limit: 10, after: null };
  let list: HistoryDto | null = null;
  await until(async () => (list = await reader.ask("history", wanted)).kept === 2);
  expect(list!.rows.map(({ jobId }) => jobId)).toEqual(["j-4", "j-3"]);
  expect(list).toMatchObject({ total: 2, keptBytes: 200, dropped: 4, next: null });
  expect(await reader.ask("recorded", {})).toEqual([["j-3", true], ["j-4", true]]);
  expect(await reader.ask("recordAnswer", { jobId: "j-4", name: "profile", query: "" })).toMatchObject({
    jobId: "j-4",
    // How it ended is known better by its row.
    job: { jobId: "j-4", state: "SUCCEEDED" },
  });
  await expect(reader.ask("recordAnswer", { jobId: "j-0", name: "profile", query: "" })).rejects.toThrow(
    "nothing is kept",
  );
  const page = await reader.ask("history", { ...wanted, limit: 1 });
  expect((await reader.ask("history", { ...wanted, limit: 1, after: page.next })).rows[0]!.jobId).toBe("j-3");
  await expect(reader.ask("history", { ...wanted, after: "nonsense" })).rejects.toThrow("no cursor");
  expect((await reader.ask("history", { ...wanted, text: "J-3.TS" })).total).toBe(1);
  reader.close();
  await store.close();
}, 30_000);

test("a tile that is not kept is cut from one that is wider", () => {
  const functions = new Uint8Array(2 * TILE_BINS);
  for (let bin = 0; bin < TILE_BINS; bin++) functions[TILE_BINS + bin] = bin % 200;
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const wide: TimelineTileDto = {
    z: 2,
    x: 1,
    lanes: [0, 1],
    functions: text(functions),
    busy: text(functions),
    failed: null,
    final: true,
  };
  const kept = {
    timeline: { tiles: [wide], lanes: { lanes: [{}, {}] }, bars: [], barsTotal: 0 },
  } as unknown as JobRecord;
  const ask = (query: string) =>
    answerFromRecord(kept, "timeline/tile", recordParams(query)) as TimelineTileDto;
  expect(ask("z=2&x=1&lanes=0-1").functions).toBe(wide.functions);
  const fine = Buffer.from(ask("z=0&x=5&lanes=1-1").functions, "base64");
  expect(fine).toHaveLength(TILE_BINS);
  // Tile 5 at zoom 0 is the second quarter of tile 1 at zoom 2: bins 128 to 255, four times each.
  expect([...fine.subarray(0, 9)]).toEqual([128, 128, 128, 128, 129, 129, 129, 129, 130]);
  expect(Buffer.from(ask("z=0&x=500&lanes=0-1").functions, "base64").every((cell) => cell === 0)).toBe(true);
  expect(() => ask("z=0&x=0&lanes=3-1")).toThrow(RangeError);
});
