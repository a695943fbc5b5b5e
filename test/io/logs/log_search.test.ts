/** Search over log files: newest first, page by page, with nothing lost or told twice, within limits. */
import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ActorId, JobId, NodeId, ProcessId, TaskId } from "../../../runtime/common/ids.ts";
import { type LogMark, markText } from "../../../runtime/common/log_lines.ts";
import {
  ANY_LINE,
  checkLogQuery,
  comparePlaces,
  type LogLine,
  type LogPlace,
  type LogQuery,
} from "../../../runtime/common/log_query.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { logFiles, logPart, searchLogs } from "../../../runtime/io/logs/log_search.ts";
import { LogSearcher } from "../../../runtime/io/logs/log_searcher.ts";
import { rejection } from "../../support/processes.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
  folders.push(folder);
  return folder;
}

function mark(at: number, more: Partial<LogMark> = {}): LogMark {
  return {
    at,
    level: "info",
    stream: "out",
    name: null,
    task: null,
    actor: null,
    attempt: 0,
    job: null,
    ...more,
  };
}

/** Files of several workers, whose lines are numbered by time. */
function writeLogs(folder: string, seed: number, lines: number): void {
  const random = new Prng(seed);
  const texts = ["", "", ""];
  const marked: (number | null)[] = [null, null, null];
  for (let i = 0; i < lines; i++) {
    const at = 1_000 + Math.floor(i / 3);
    const file = random.below(3);
    if (marked[file] !== at) {
      const origin = { node: `n-${file}` as NodeId, worker: `w-${file}` as ProcessId, pid: 100 + file };
      const task = i % 7;
      texts[file] += markText(mark(at, {
        name: `work#${task}`,
        task: `t-1-${task}` as TaskId,
        job: "j-1" as JobId,
        ...(marked[file] === null && { origin }),
      }));
      marked[file] = at;
    }
    texts[file] += `line ${i} ${i % 100 === 0 ? "ERROR " : ""}${"x".repeat(random.below(200))}\n`;
  }
  for (const [file, text] of texts.entries()) writeFileSync(join(folder, `w-${file}.log`), text);
}

function all(folder: string, query: Partial<LogQuery>, budgetMs = 10_000): LogLine[] {
  const found: LogLine[] = [];
  let before: LogPlace | null = null;
  for (let pages = 0; pages < 10_000; pages++) {
    const page = searchLogs(folder, { ...ANY_LINE, ...query, before }, budgetMs);
    found.push(...page.lines);
    if (page.next === null) return found;
    if (before !== null) expect(comparePlaces(page.next, before)).toBeLessThan(0);
    before = page.next;
  }
  throw new Error("the search does not end");
}

test("all lines come once, newest first, however they are paged", () => {
  const folder = newFolder();
  writeLogs(folder, 7, 6_000);
  const whole = all(folder, { limit: 1_000 });
  expect(whole.length).toBe(6_000);
  for (let i = 1; i < whole.length; i++) expect(comparePlaces(whole[i]!, whole[i - 1]!)).toBeLessThan(0);
  // Small pages, and answers that come before anything was found.
  const part = { limit: 37, pattern: "line \\d*5 ", fromMs: 2_900 };
  expect(all(folder, part, 0)).toEqual(
    whole.filter(({ text, at }) => at >= 2_900 && /line \d*5 /.test(text)),
  );
  const errors = all(folder, { level: "error" });
  expect(errors.length).toBe(60);
  expect(errors[0]).toMatchObject({ level: "error", job: "j-1", cut: 0 });
});

test("lines are found by task, node, source, time and file", () => {
  const folder = newFolder();
  writeLogs(folder, 11, 3_000);
  const whole = all(folder, { limit: 1_000 });
  const same = (query: Partial<LogQuery>, keep: (line: LogLine) => boolean): void => {
    const wanted = whole.filter(keep);
    expect(wanted.length).toBeGreaterThan(0);
    expect(all(folder, query)).toEqual(wanted);
  };
  same({ task: "t-1-3" }, ({ task }) => task === "t-1-3");
  same({ task: "work" }, () => true);
  same({ node: "n-1" }, ({ node }) => node === "n-1");
  same({ source: "w-2" }, ({ source }) => source === "w-2");
  same({ fromMs: 1_500, toMs: 1_600 }, ({ at }) => at >= 1_500 && at < 1_600);
  same(
    { file: whole[0]!.file, pattern: "LINE \\d+", ignoreCase: true },
    ({ file }) => file === whole[0]!.file,
  );
  expect(all(folder, { job: "j-2" })).toEqual([]);
  expect(whole[0]).toMatchObject({ pid: 100 + Number(whole[0]!.source.slice(2)) });
});

test("an actor is found by its id, its name and its class; a file without marks has its own time", () => {
  const folder = newFolder();
  const actor = { name: "Counter:bank", actor: "a-1" as ActorId };
  writeFileSync(join(folder, "w-1.log"), `${markText(mark(5_000, actor))}one\n${markText(mark(5_001))}two\n`);
  writeFileSync(join(folder, "head.log"), "head says\nrest");
  utimesSync(join(folder, "head.log"), 6, 6);
  for (const wanted of ["a-1", "Counter", "bank"]) {
    expect(all(folder, { actor: wanted }).map(({ text }) => text)).toEqual(["one"]);
  }
  expect(all(folder, {}).map(({ source, at, text }) => [source, at, text])).toEqual([
    ["head", 6_000, "rest"],
    ["head", 6_000, "head says"],
    ["w-1", 5_001, "two"],
    ["w-1", 5_000, "one"],
  ]);
});

test("the lines around a place, and what comes after it", () => {
  const folder = newFolder();
  writeFileSync(join(folder, "w-1.log"), Array.from({ length: 1_000 }, (_, i) => `line ${i}\n`).join(""));
  const { file } = logFiles(folder)[0]!;
  const at = all(folder, { pattern: "^line 500$" })[0]!.offset;
  const part = logPart(folder, { file, at, before: 2, count: 3 })!;
  expect(part.lines.map(({ text }) => text)).toEqual([
    "line 498",
    "line 499",
    "line 500",
    "line 501",
    "line 502",
  ]);
  const next = logPart(folder, { file, at: part.end, before: 0, count: 1 })!;
  expect(next.lines.map(({ text }) => text)).toEqual(["line 503"]);
  const end = logPart(folder, { file, at: part.size, before: 1, count: 5 })!;
  expect(end).toMatchObject({ end: part.size, lines: [{ text: "line 999" }] });
  appendFileSync(join(folder, "w-1.log"), "more\nand half");
  const more = logPart(folder, { file, at: end.end, before: 0, count: 5 })!;
  expect(more.lines.map(({ text }) => text)).toEqual(["more"]);
  expect(more.end).toBe(part.size + 5);
  expect(logPart(folder, { file: "../head", at: 0, before: 0, count: 1 })).toBeNull();
});

test("questions that make no sense are refused by name", () => {
  const refused = (query: object): string => {
    try {
      checkLogQuery({ ...ANY_LINE, ...query });
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      return (error as Error).message;
    }
    throw new Error("it was taken");
  };
  expect(refused({ pattern: "(" })).toContain("Invalid regular expression");
  expect(refused({ level: "loud" })).toContain("level must be debug, info, warning, error");
  expect(refused({ limit: 0 })).toContain("limit must be an integer from 1 to 1000");
  expect(refused({ task: 5 })).toContain("task must be a text");
  expect(refused({ fromMs: "x" })).toContain("milliseconds since the epoch");
});

test("a pattern that needs for ever is ended, and the next question has its answer", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "w-1.log"), `${"a".repeat(60)}!\n`);
  // JavaScriptCore gives such a pattern up by itself; V8 does not.
  const searcher = new LogSearcher(folder, { runtime: "node", answerMs: 2_000 });
  try {
    const slow = rejection(searcher.search({ ...ANY_LINE, pattern: "^(?!x)(a|aa)+$" }));
    const files = searcher.files();
    expect(await slow).toMatchObject({
      name: "RangeError",
      message: expect.stringContaining("took too long"),
    });
    expect(await files).toMatchObject([{ source: "w-1" }]);
    expect((await searcher.search({ ...ANY_LINE, pattern: "a!" })).lines.length).toBe(1);
  } finally {
    searcher.close();
  }
}, 15_000);
