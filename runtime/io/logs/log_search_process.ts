/**
 * The process that searches logs: patterns are people's, and one that takes for ever must not stop what runs the cluster. It
 * reads one JSON question a line from stdin and answers each with one line on stdout, in order.
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import type { LogQuery } from "../../common/log_query.ts";
import { logFiles, logPart, logText, searchLogs } from "./log_search.ts";

export type LogQuestion =
  | { readonly kind: "search"; readonly query: LogQuery; readonly budgetMs: number }
  | { readonly kind: "files" }
  | { readonly kind: "text"; readonly file: string; readonly at: number }
  | {
    readonly kind: "part";
    readonly file: string;
    readonly at: number;
    readonly before: number;
    readonly count: number;
  };

function answer(folder: string, question: LogQuestion): unknown {
  switch (question.kind) {
    case "search":
      return searchLogs(folder, question.query, question.budgetMs);
    case "files":
      return logFiles(folder);
    case "part":
      return logPart(folder, question);
    case "text":
      return logText(folder, question.file, question.at);
  }
}

if (import.meta.main) {
  const folder = process.argv[2]!;
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    let said: { result: unknown } | { error: string };
    try {
      said = { result: answer(folder, JSON.parse(line) as LogQuestion) };
    } catch (error) {
      said = { error: (error as Error).message };
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  });
  // Its parent is gone, or wants no more.
  lines.on("close", () => process.exit(0));
}
