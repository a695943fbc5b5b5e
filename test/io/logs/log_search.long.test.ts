/** D12: the first results of a search over a gigabyte of logs are there within a second. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, utimesSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobId, TaskId } from "../../../runtime/common/ids.ts";
import { markText } from "../../../runtime/common/log_lines.ts";
import { ANY_LINE, type LogPlace, type LogQuery } from "../../../runtime/common/log_query.ts";
import { LogSearcher } from "../../../runtime/io/logs/log_searcher.ts";

const FILES = 16;
const FILE_BYTES = 64 << 20;
const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
const searcher = new LogSearcher(folder);

beforeAll(() => {
  for (let file = 0; file < FILES; file++) {
    const path = join(folder, `w-${file}.log`);
    const fd = openSync(path, "w");
    let at = 1_700_000_000_000 + file;
    let line = 0;
    for (let bytes = 0; bytes < FILE_BYTES;) {
      let text = "";
      while (text.length < 1 << 20) {
        if (line % 50 === 0) {
          const number = line / 50;
          const task = `t-${file}-${number}` as TaskId;
          const mark = {
            level: "info",
            stream: "out",
            actor: null,
            attempt: 0,
            job: "j-1" as JobId,
          } as const;
          text += markText({ ...mark, at: at += 40, name: `work#${number}`, task });
        }
        text += `line ${line++} of worker ${file}: fetched https://example.org/${line * 7919 % 100_003}\n`;
      }
      bytes += writeSync(fd, text);
    }
    closeSync(fd);
    utimesSync(path, at / 1_000, at / 1_000);
  }
}, 60_000);
afterAll(() => {
  searcher.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Milliseconds until the first line. */
async function firstLine(query: Partial<LogQuery>): Promise<number> {
  const startMs = performance.now();
  let before: LogPlace | null = null;
  do {
    const page = await searcher.search({ ...ANY_LINE, ...query, before });
    if (page.lines.length > 0) return performance.now() - startMs;
    before = page.next;
  } while (before !== null);
  throw new Error("nothing was found");
}

test("D12 lines of a gigabyte: the newest, a rare one, the oldest, those of one task", async () => {
  await searcher.files(); // The process is there.
  const figures = {
    newest: await firstLine({}),
    rare: await firstLine({ pattern: "line 300000 of worker 7:" }),
    oldest: await firstLine({ pattern: "^line 1 of worker 3:" }),
    rarePattern: await firstLine({ pattern: "line 30000\\d of worker 7:" }),
    rareOfAnyCase: await firstLine({ pattern: "LINE 300000 of Worker \\d+", ignoreCase: true }),
    task: await firstLine({ task: "t-3-40" }),
  };
  console.log(figures);
  for (const ms of Object.values(figures)) expect(ms).toBeLessThan(1_000);
}, 60_000);
