/**
 * What a statement gave: rows, how many of how many, and both ways to take them along.
 * @module
 */
import { useState } from "preact/hooks";
import type { SqlCell, SqlResult } from "../../../api/sql.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { Empty } from "../../components/states.tsx";
import { count, duration } from "../../models/format.ts";
import { linkOf } from "../../models/links.ts";

interface NumberedRow {
  readonly number: number;
  readonly cells: readonly SqlCell[];
}

export function SqlRows({ result }: { result: SqlResult }) {
  const { columns, rows, total, isTotalExact, cutBy, cellsCut, elapsedMs } = result;
  return (
    <>
      <div class="table-tools">
        <span class="note" role="status" data-testid="sql-total">
          {rowsText(rows.length, total, isTotalExact)} in {duration(elapsedMs)}
          {cutBy === "bytes" && "; the answer was full, ask for fewer columns"}
          {cellsCut > 0 && `; ${count(cellsCut)} long values are cut`}
        </span>
        <span class="actions">
          <Copy label="Copy as CSV" text={() => csvOf(result)} />
          <Copy label="Copy as JSON" text={() => jsonOf(result)} />
        </span>
      </div>
      {rows.length === 0
        ? (
          <Empty>
            The statement gave no rows{columns.length > 0 && ` (columns: ${columns.join(", ")})`}.
          </Empty>
        )
        : (
          <DataTable<NumberedRow>
            label="Rows of the statement"
            rows={rows.map((cells, number) => ({ number, cells }))}
            rowKey={(row) => String(row.number)}
            columns={columns.map((name, at) => columnOf(name, at, rows))}
            one="row"
            many="rows"
            total={total}
            empty=""
          />
        )}
    </>
  );
}

function rowsText(shown: number, total: number, isExact: boolean): string {
  if (shown === total) return `${count(total)} ${total === 1 ? "row" : "rows"}`;
  return `showing ${count(shown)} of ${isExact ? "" : "more than "}${count(total)} rows`;
}

function columnOf(name: string, at: number, rows: SqlResult["rows"]): Column<NumberedRow> {
  const isNumeric = rows.some((row) => typeof row[at] === "number") &&
    rows.every((row) => row[at] === null || typeof row[at] === "number");
  return {
    id: `${at}`,
    title: name,
    ...(isNumeric ? { align: "num" as const } : {}),
    value: ({ cells }) => cells[at] ?? null,
    cell: ({ cells }) => <Cell value={cells[at] ?? null} />,
  };
}

/** Ids lead to their pages. Numbers are shown as they are: a time in milliseconds is not a count. */
function Cell({ value }: { value: SqlCell }) {
  if (value === null) return <span class="zero">null</span>;
  if (typeof value === "number") return <>{String(value)}</>;
  if (/^[a-z]-[0-9a-f]{6,}$/.test(value) && linkOf(value) !== null) return <Id id={value} whole />;
  return value.length > 200
    ? <span title={value.slice(0, 4_000)}>{value.slice(0, 200)}…</span>
    : <>{value}</>;
}

function Copy({ label, text }: { label: string; text: () => string }) {
  const [said, setSaid] = useState(label);
  const copy = async (): Promise<void> => {
    // Without a secure origin a page has no clipboard.
    const isDone = await navigator.clipboard?.writeText(text()).then(() => true, () => false) ?? false;
    setSaid(isDone ? "Copied" : "The browser does not allow it");
    setTimeout(() => setSaid(label), 2_000);
  };
  return <button type="button" onClick={() => void copy()}>{said}</button>;
}

/** As RFC 4180 has it. */
export function csvOf({ columns, rows }: SqlResult): string {
  const cell = (value: SqlCell): string => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** An object a row; columns of one name are numbered. */
export function jsonOf({ columns, rows }: SqlResult): string {
  const names: string[] = [];
  for (const name of columns) names.push(names.includes(name) ? `${name}_${names.length + 1}` : name);
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(row.map((cell, i) => [names[i], cell]))),
    null,
    1,
  );
}
