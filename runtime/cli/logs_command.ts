/**
 * `mobula logs`: what workers, agents and the head wrote, on all nodes, dead workers included.
 * @module
 */
import {
  ANY_LINE,
  comparePlaces,
  LIMIT_MAX,
  type LogAnswer,
  type LogLine,
  type LogPlace,
  type LogQuery,
  patternOf,
} from "../common/log_query.ts";
import { LINE_LEVELS, type LineLevel } from "../common/log_lines.ts";
import { prefixOf } from "../common/line_prefix.ts";
import { type HeadClient, withHead } from "./head_client.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

const TAIL = 100;
const FOLLOW_MS = 500;
/** Lines are looked for again this far back: their files are read one after the other. */
const OVERLAP_MS = 3_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const logsCommand: CommandDefinition = {
  name: "logs",
  summary: "what workers, agents and the head wrote, on all nodes",
  positionals: [{
    name: "ID",
    help: "of a task, actor, node, worker or job; or head, agent, supervisor; default: everything",
  }],
  flags: {
    follow: { type: "boolean", short: "f", help: "go on with what is written" },
    grep: { type: "string", value: "REGEXP", help: "only lines that match" },
    "ignore-case": { type: "boolean", short: "i", help: "upper and lower case are the same" },
    level: { type: "string", value: "debug|info|warning|error", help: "only lines of this level or worse" },
    task: { type: "string", value: "ID|NAME", help: "only lines of this task, or of this function" },
    actor: { type: "string", value: "ID|NAME", help: "only lines of this actor, or of actors of this class" },
    node: { type: "string", value: "ID", help: "only lines of this node" },
    since: { type: "string", value: "5m", help: "only lines that are not older; ms, s, m, h, d, or a date" },
    tail: { type: "string", value: "N", help: `the newest N lines; default ${TAIL}; 0 for all` },
    ...COMMON_FLAGS,
  },
  examples: [
    ["mobula logs t-1f3a…", "the last lines of a task, wherever it ran"],
    ["mobula logs -f --level error", "errors of everything, as they come"],
    ["mobula logs --task fetchPage --grep 'HTTP 5..' --since 1h --tail 0", "all such lines of the last hour"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const query = queryOf(flags, Date.now());
  const tail = flags.integer("tail", 0) ?? TAIL;
  return await withHead(flags, async (head) => {
    const isJson = flags.isSet("json");
    const lines = await newest(head, query, tail === 0 ? Infinity : tail);
    for (const line of lines) printLine(line, isJson);
    if (flags.isSet("follow")) return await follow(head, query, lines, isJson);
    if (lines.length > 0) return 0;
    const [id] = flags.positionals;
    process.stderr.write(
      `mobula: logs: no line${id === undefined ? "" : ` of ${id}`} is kept that matches\n`,
    );
    return 1;
  });
}

/** UsageError for what cannot be meant. */
function queryOf(flags: ParsedArguments, nowMs: number): LogQuery {
  const level = flags.text("level");
  if (level !== null && !LINE_LEVELS.includes(level as LineLevel)) {
    throw new UsageError(`logs: --level is one of ${LINE_LEVELS.join(", ")}, not ${JSON.stringify(level)}`);
  }
  const query: LogQuery = {
    ...ANY_LINE,
    pattern: flags.text("grep"),
    ignoreCase: flags.isSet("ignore-case"),
    level: level as LineLevel | null,
    task: flags.text("task"),
    actor: flags.text("actor"),
    node: flags.text("node"),
    fromMs: since(flags.text("since"), nowMs),
    limit: LIMIT_MAX,
  };
  if (query.pattern !== null) {
    try {
      patternOf(query);
    } catch (error) {
      throw new UsageError(`logs: --grep: ${(error as Error).message}`);
    }
  }
  return { ...query, ...named(flags.positionals[0]) };
}

function named(id: string | undefined): Partial<LogQuery> {
  if (id === undefined) return {};
  switch (id.slice(0, 2)) {
    case "t-":
      return { task: id };
    case "a-":
      return { actor: id };
    case "n-":
      return { node: id };
    case "j-":
      return { job: id };
    case "o-":
      // An object's maker.
      return { task: `t${id.slice(1).replace(/\.\d+$/, "")}` };
    default:
      return { source: id };
  }
}

function since(text: string | null, nowMs: number): number | null {
  if (text === null) return null;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (amount !== undefined) return Math.max(0, nowMs - Number(amount) * UNITS[unit!]!);
  const date = Date.parse(text);
  if (!Number.isNaN(date)) return date;
  throw new UsageError(
    `logs: --since is a time such as 90s, 5m, 2h, 1d or 2026-11-23T12:00, not ${JSON.stringify(text)}`,
  );
}

/** Oldest first. */
async function newest(head: HeadClient, query: LogQuery, count: number): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  let before: LogPlace | null = null;
  for (;;) {
    const answer: LogAnswer = await head.ask("searchLogs", {
      query: { ...query, before, limit: Math.min(LIMIT_MAX, count - lines.length) },
    });
    for (const node of answer.unreachable) process.stderr.write(`mobula: node ${node} does not answer\n`);
    lines.push(...answer.lines);
    before = answer.next;
    if (before === null || lines.length >= count) return lines.reverse();
  }
}

/** Until the command is ended. */
async function follow(
  head: HeadClient,
  query: LogQuery,
  shown: readonly LogLine[],
  isJson: boolean,
): Promise<number> {
  let last = shown.at(-1)?.at ?? Date.now();
  let known: Set<string> | null = null;
  for (;;) {
    const fromMs = Math.max(last - OVERLAP_MS, query.fromMs ?? 0);
    const lines = (await newest(head, { ...query, fromMs }, Infinity)).sort(comparePlaces);
    // At first only what is newer than what was shown.
    const isNew = (line: LogLine): boolean =>
      known === null ? shown.length === 0 || comparePlaces(line, shown.at(-1)!) > 0 : !known.has(keyOf(line));
    for (const line of lines.filter(isNew)) printLine(line, isJson);
    known = new Set(lines.map(keyOf));
    last = lines.at(-1)?.at ?? last;
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
}

function keyOf({ file, offset }: LogLine): string {
  return `${file}~${offset}`;
}

function printLine(line: LogLine, isJson: boolean): void {
  if (isJson) return void process.stdout.write(`${JSON.stringify(line)}\n`);
  const { node, pid, name, source, text, cut, at } = line;
  const label = node === null || pid === null ? `(${source})` : prefixOf({ name, pid, node });
  const rest = cut === 0 ? "" : ` … ${cut} characters more`;
  process.stdout.write(`${new Date(at).toISOString().slice(11, 23)} ${label} ${text}${rest}\n`);
}
