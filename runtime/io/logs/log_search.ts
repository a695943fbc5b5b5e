/**
 * Search over a folder's log files, newest line first, within limits of time and lines; and the lines of one file around a place.
 * @module
 */
import { readSync } from "node:fs";
import type {
  LogFileRow,
  LogLine,
  LogPage,
  LogPart,
  LogPlace,
  LogQuery,
  LogText,
} from "../../common/log_query.ts";
import { LineFilter } from "../../core/logs/line_filter.ts";
import { LineReader } from "../../core/logs/line_reader.ts";
import { FileScan, logLine } from "./file_scan.ts";
import { listLogs, logStart, originOf, rowOf, withFile } from "./log_folder.ts";

/** How far before a place its lines and their mark are looked for. */
const AROUND_BYTES = 256 * 1024;
const FILES_MAX = 2_000;
/** Of one piece of a download. */
const TEXT_BYTES = 1024 * 1024;

/** `budgetMs`: the answer comes after so long, with what was found until then. */
export function searchLogs(folder: string, query: LogQuery, budgetMs: number): LogPage {
  const endMs = performance.now() + budgetMs;
  const filter = new LineFilter(query);
  const files = listLogs(folder).filter((file) =>
    filter.takesFile(file.id, file.source, () => originOf(file))
  );
  const scans: FileScan[] = [];
  let searchedBytes = 0;
  let next: LogPlace | null = null;
  const lines: LogLine[] = [];
  try {
    for (const file of files.slice(0, FILES_MAX)) {
      if (query.fromMs !== null && file.changedMs < query.fromMs) continue;
      const scan = opened(() => new FileScan(file, query, filter));
      if (scan !== null) scans.push(scan);
    }
    for (;;) {
      const newest = newestOf(scans);
      if (newest === null) break;
      if (newest.hasLine) {
        lines.push(newest.take());
        if (lines.length < query.limit) continue;
        const { at, file, offset } = lines.at(-1)!;
        next = { at, file, offset };
        break;
      }
      if (performance.now() > endMs && searchedBytes > 0) {
        next = newest.bound;
        break;
      }
      searchedBytes += newest.read();
    }
  } finally {
    for (const scan of scans) scan.close();
  }
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  return { lines, next, searchedBytes, totalBytes, files: files.length };
}

export function logFiles(folder: string): LogFileRow[] {
  return listLogs(folder).slice(0, FILES_MAX).map(rowOf);
}

/** `count` lines from the place on, and `before` lines before it. Null when the folder has no such file. */
export function logPart(
  folder: string,
  { file: id, at, before, count }: { file: string; at: number; before: number; count: number },
): LogPart | null {
  const file = listLogs(folder).find((found) => found.id === id);
  if (file === undefined) return null;
  return withFile(file.path, (fd) => {
    const start = logStart(fd);
    const from = Math.max(start, Math.min(at, file.size) - AROUND_BYTES);
    const earlier: LogLine[] = [];
    const lines: LogLine[] = [];
    let nextAt: number | null = null;
    const reader = new LineReader(from, (line) => {
      if (line.offset < at) {
        earlier.push(logLine(file, line));
        if (earlier.length > before) earlier.shift();
      } else if (lines.length < count) lines.push(logLine(file, line));
      else nextAt ??= line.offset;
    });
    const bytes = new Uint8Array(AROUND_BYTES);
    for (let offset = from; offset < file.size && lines.length < count;) {
      const length = readSync(fd, bytes, 0, bytes.length, offset);
      if (length <= 0) break;
      reader.feed(bytes.subarray(0, length));
      offset += length;
    }
    // The first may be the end of a line.
    if (from > start && earlier.length > 0 && earlier[0]!.offset === from) earlier.shift();
    return { lines: [...earlier, ...lines], start, end: nextAt ?? reader.offset, size: file.size };
  });
}

/** A piece of a file's text from a line's beginning on. Null when the folder has no such file. */
export function logText(folder: string, id: string, at: number): LogText | null {
  const file = listLogs(folder).find((found) => found.id === id);
  if (file === undefined) return null;
  return withFile(file.path, (fd) => {
    const from = Math.max(at, logStart(fd));
    const lines: string[] = [];
    const reader = new LineReader(from, ({ text }) => lines.push(`${text}\n`));
    const bytes = new Uint8Array(TEXT_BYTES);
    const length = from >= file.size
      ? 0
      : readSync(fd, bytes, 0, Math.min(TEXT_BYTES, file.size - from), from);
    reader.feed(bytes.subarray(0, length));
    // The last line may have no end.
    if (from + length >= file.size) reader.end();
    return { text: lines.join(""), end: Math.max(reader.offset, at), size: file.size };
  });
}

function newestOf(scans: readonly FileScan[]): FileScan | null {
  let newest: FileScan | null = null;
  let place: LogPlace | null = null;
  for (const scan of scans) {
    const { bound } = scan;
    if (bound === null) continue;
    const isNewer = place === null || bound.at > place.at ||
      (bound.at === place.at &&
        (bound.file > place.file || (bound.file === place.file && bound.offset > place.offset)));
    if (!isNewer) continue;
    newest = scan;
    place = bound;
  }
  return newest;
}

function opened<T>(open: () => T): T | null {
  try {
    return open();
  } catch {
    return null; // It was removed meanwhile.
  }
}
