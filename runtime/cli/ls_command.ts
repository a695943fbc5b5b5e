/**
 * `mobula ls KIND [FILTER…]`: rows of tasks, actors, objects, nodes, workers, jobs or placement groups: all of them, as they
 * come, page by page.
 * @module
 */
import { allPages } from "../common/pages.ts";
import { withHead } from "./head_client.ts";
import { cell, dim, drained, print, table } from "./print.ts";
import { checkKind, FILTERS_MAX, KINDS } from "./state_kinds.ts";
import { type CommandDefinition, COMMON_FLAGS, type Flags, type ParsedArguments } from "./usage.ts";

type Row = Readonly<Record<string, unknown>>;

const LS_FLAGS: Flags = {
  ...COMMON_FLAGS,
  ndjson: { type: "boolean", help: "print JSON, a row a line" },
  limit: { type: "string", value: "N", help: "at most so many rows; default: all" },
  after: { type: "string", value: "CURSOR", help: "go on where an earlier list ended" },
  detail: { type: "boolean", help: "all columns" },
};

export const lsCommand: CommandDefinition = {
  name: "ls",
  summary: "rows of tasks, actors, objects, nodes, workers, jobs, placement-groups",
  positionals: [
    { name: "KIND", help: KINDS.join(", "), isRequired: true, choices: KINDS },
    {
      name: "FILTER",
      help: "COLUMN OP VALUE, with = != < > <= >= or ~ (contains): all must hold",
      maximum: FILTERS_MAX,
    },
  ],
  flags: LS_FLAGS,
  examples: [
    ["mobula ls tasks state=FAILED 'dur>5s'", "tasks that failed after more than five seconds"],
    ["mobula ls tasks --ndjson | wc -l", "every task that is in memory, a line each, as they come"],
    ["mobula ls actors --detail --json", "all that is known of each actor, as a JSON array"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [kind, ...filters] = flags.positionals;
  checkKind("ls", kind);
  const limit = flags.integer("limit", 1) ?? undefined;
  const after = flags.text("after") ?? undefined;
  const detail = flags.isSet("detail");
  await withHead(flags, async (head) => {
    const pages = allPages((part) => head.ask("list", { kind, filters, detail, ...part }), { limit, after });
    const writer = flags.isSet("ndjson")
      ? new LineWriter()
      : flags.isSet("json")
      ? new ArrayWriter()
      : new TableWriter(kind, filters.length > 0);
    let rows = 0;
    let last: { total: number; next: string | null; dropped: number } | null = null;
    for await (const page of pages) {
      writer.rows(page.rows);
      await drained();
      rows += page.rows.length;
      last = page;
    }
    writer.end();
    if (last !== null) tellMissing(kind, rows, last, after !== undefined);
  });
  return 0;
}

/** Nothing is cut silently; on stderr, so that what reads the rows is not disturbed. */
function tellMissing(
  kind: string,
  rows: number,
  { total, next, dropped }: { total: number; next: string | null; dropped: number },
  isLater: boolean,
): void {
  if (next !== null && !isLater) {
    process.stderr.write(`mobula: showing ${rows} of ${total}; --after ${next} shows what follows\n`);
  }
  if (dropped > 0) process.stderr.write(`mobula: ${dropped} older ${kind} are no longer in memory\n`);
}

interface RowWriter {
  rows(rows: readonly Row[]): void;
  end(): void;
}

class LineWriter implements RowWriter {
  rows(rows: readonly Row[]): void {
    for (const row of rows) print(JSON.stringify(row));
  }
  end(): void {}
}

/** One JSON array, a row a line, whatever its length. */
class ArrayWriter implements RowWriter {
  #isFirst = true;
  rows(rows: readonly Row[]): void {
    for (const row of rows) {
      process.stdout.write(`${this.#isFirst ? "[\n" : ",\n"}${JSON.stringify(row)}`);
      this.#isFirst = false;
    }
  }
  end(): void {
    print(this.#isFirst ? "[]" : "\n]");
  }
}

/** Columns are as wide as the first page needs. */
class TableWriter implements RowWriter {
  readonly #kind: string;
  readonly #isFiltered: boolean;
  #columns: string[] | null = null;
  #widths: number[] = [];

  constructor(kind: string, isFiltered: boolean) {
    this.#kind = kind;
    this.#isFiltered = isFiltered;
  }

  rows(rows: readonly Row[]): void {
    if (rows.length === 0) return;
    if (this.#columns === null) {
      const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
      const cells = this.#cells(rows, columns);
      this.#columns = columns;
      this.#widths = columns.map((column, i) =>
        Math.max(column.length, ...cells.slice(0, 1_000).map((row) => row[i]!.length))
      );
      return print(table(columns, cells));
    }
    for (const row of this.#cells(rows, this.#columns)) {
      print(row.map((text, i) => text.padEnd(this.#widths[i]!)).join("  ").trimEnd());
    }
  }

  end(): void {
    if (this.#columns === null) print(dim(`no ${this.#kind}${this.#isFiltered ? " match" : ""}`));
  }

  #cells(rows: readonly Row[], columns: readonly string[]): string[][] {
    return rows.map((row) => columns.map((column) => cell(row[column], column)));
  }
}
