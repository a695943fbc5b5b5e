/** Lines and marks from a log file's bytes. */
import { expect, test } from "bun:test";
import { levelOf, type LogMark, markOf, markText } from "../../../runtime/common/log_lines.ts";
import type { TaskId } from "../../../runtime/common/ids.ts";
import { LINE_BYTES_MAX, LineReader, type ReadLine } from "../../../runtime/core/logs/line_reader.ts";
import { coloured, prefixOf, taskLabel } from "../../../runtime/common/line_prefix.ts";
import type { NodeId } from "../../../runtime/common/ids.ts";

const MARK: LogMark = {
  at: 1_700_000_000_000,
  level: "warning",
  stream: "err",
  name: "fetchPage#3",
  task: "t-1f-3" as TaskId,
  actor: null,
  attempt: 2,
  job: null,
};

function read(text: string, pieces: number): ReadLine[] {
  const bytes = new TextEncoder().encode(text);
  const lines: ReadLine[] = [];
  const reader = new LineReader(100, (line) => lines.push(line));
  for (let at = 0; at < bytes.length; at += pieces) reader.feed(bytes.subarray(at, at + pieces));
  reader.end();
  return lines;
}

test("a mark says all of itself, and text that begins like one is text", () => {
  expect(markOf(markText(MARK).trimEnd())).toEqual(MARK);
  expect(markOf("\x1e{not json")).toBeNull();
  expect(markOf("\x1e{}")).toBeNull();
  expect(markOf("plain")).toBeNull();
});

test("lines have their places and marks, in whatever pieces the bytes come", () => {
  const mark = markText(MARK);
  const text = `eins\n${mark}zwei ä\r\n\n\x1eodd\nrest`;
  const at = 100 + 5 + mark.length;
  for (const pieces of [1, 3, 1_000]) {
    expect(read(text, pieces)).toEqual([
      { offset: 100, text: "eins", mark: null },
      { offset: at, text: "zwei ä", mark: MARK },
      { offset: at + 9, text: "", mark: MARK },
      { offset: at + 10, text: "\x1eodd", mark: MARK },
      { offset: at + 15, text: "rest", mark: MARK },
    ]);
  }
});

test("a line without an end goes in pieces", () => {
  const lines = read(`${"x".repeat(LINE_BYTES_MAX + 10)}\nnext\n`, 7_000);
  expect(lines.map(({ offset, text }) => [offset, text.length])).toEqual([
    [100, LINE_BYTES_MAX],
    [100 + LINE_BYTES_MAX, 10],
    [100 + LINE_BYTES_MAX + 11, 4],
  ]);
});

test("what a line's words say of its level, unless the console's method said it", () => {
  expect(levelOf("TypeError: x is not a function", "info")).toBe("error");
  expect(levelOf('{"level":"warn","msg":"x"}', "info")).toBe("warning");
  expect(levelOf("2026 WARN low disk", "info")).toBe("warning");
  expect(levelOf("no errors today", "info")).toBe("info");
  expect(levelOf("ERROR", "debug")).toBe("debug");
});

test("prefixes name the task, and all tasks of one function have one colour", () => {
  expect(taskLabel("fetchPage", "t-abc-1f")).toBe("fetchPage#51");
  const node = "n-0123456789abcdef" as NodeId;
  expect(prefixOf({ name: "fetchPage#3", pid: 812, node })).toBe("(fetchPage#3 pid=812 n-01234567)");
  expect(prefixOf({ name: null, pid: 812, node })).toBe("(pid=812 n-01234567)");
  expect(coloured("x", "f#1")).toBe(coloured("x", "f#2"));
  expect(coloured("x", "f#1")).toMatch(new RegExp("^\x1b\\[\\d+mx\x1b\\[39m$"));
});
