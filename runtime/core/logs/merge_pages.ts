/**
 * Answers of several folders to one search become one, in the order of their lines. Where a folder's answer ends, others may
 * have told older lines already: those come with the next question.
 * @module
 */
import { comparePlaces, type LogLine, type LogPage, type LogPlace } from "../../common/log_query.ts";

/** See the module's header. */
export function mergePages(pages: readonly LogPage[], limit: number): LogPage {
  const all = pages.flatMap(({ lines }) => lines).sort((a, b) => comparePlaces(b, a));
  // Down to here every folder has told everything.
  let floor: LogPlace | null = null;
  for (const { next } of pages) {
    if (next !== null && (floor === null || comparePlaces(next, floor) > 0)) floor = next;
  }
  const told = floor === null ? all : all.filter((line) => comparePlaces(line, floor) >= 0);
  const lines = told.slice(0, limit);
  return {
    lines,
    next: lines.length < told.length || (lines.length === limit && floor !== null)
      ? placeOf(lines.at(-1)!)
      : floor,
    searchedBytes: pages.reduce((sum, page) => sum + page.searchedBytes, 0),
    totalBytes: pages.reduce((sum, page) => sum + page.totalBytes, 0),
    files: pages.reduce((sum, page) => sum + page.files, 0),
  };
}

function placeOf({ at, file, offset }: LogLine): LogPlace {
  return { at, file, offset };
}
