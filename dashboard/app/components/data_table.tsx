/**
 * Rows in columns: sorted by a click on a column, filtered by a text, at most a page of them drawn, and it always says how
 * many there are. Arrow keys move between rows, Enter opens the row's first link.
 * @module
 */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { count } from "../models/format.ts";
import { Empty } from "./states.tsx";

/** Rows that are drawn at once. */
const PAGE_ROWS = 100;
/** A filter is offered from so many rows on. */
const FILTER_ROWS = 12;

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  /** What the title leaves open. */
  readonly help?: string;
  /** Numbers stand right. */
  readonly align?: "num";
  /** Left out where there is little room. */
  readonly optional?: boolean;
  readonly cell: (row: Row) => ComponentChildren;
  /** What is sorted by and searched in; a column without it cannot be sorted. Null goes last. */
  readonly value?: (row: Row) => string | number | null;
}

export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

export interface DataTableProps<Row> {
  /** Names the table for who cannot see it. */
  readonly label: string;
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly columns: readonly Column<Row>[];
  /** All there are, when `rows` is a part of them. */
  readonly total?: number;
  /** Rows that exist no more and are told of nowhere else. */
  readonly dropped?: number;
  readonly one: string;
  readonly many: string;
  /** When there is no row. */
  readonly empty: ComponentChildren;
  readonly sort?: Sort;
  /** The server sorts: tell it. Without it the rows that are here are sorted here. */
  readonly onSort?: (sort: Sort) => void;
  /** Whether a filter of the rows that are here is offered; by their number, unless said. */
  readonly filter?: boolean;
  readonly rowClass?: (row: Row) => string;
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, rows, columns, rowKey, empty, onSort } = props;
  const [ownSort, setOwnSort] = useState<Sort | null>(props.sort ?? null);
  const [text, setText] = useState("");
  const [page, setPage] = useState(0);
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  const sort = onSort === undefined ? ownSort : props.sort ?? null;
  const changeSort = (next: Sort): void => onSort === undefined ? setOwnSort(next) : onSort(next);
  const found = matching(rows, columns, text);
  const sorted = onSort === undefined && sort !== null ? sortedBy(found, columns, sort) : found;
  const pages = Math.max(1, Math.ceil(sorted.length / PAGE_ROWS));
  const first = Math.min(page, pages - 1) * PAGE_ROWS;
  const shown = sorted.slice(first, first + PAGE_ROWS);
  const hasFilter = props.filter ?? rows.length >= FILTER_ROWS;
  return (
    <div class="data-table">
      <div class="table-tools">
        {hasFilter && (
          <input
            type="search"
            class="filter"
            placeholder={`Filter ${props.many}`}
            aria-label={`Filter ${props.many}`}
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setPage(0);
            }}
          />
        )}
        <span class="note showing">{showing(props, found.length, shown.length)}</span>
        {pages > 1 && <Pages page={first / PAGE_ROWS} pages={pages} onPage={setPage} />}
      </div>
      <div class="scroll" role="region" aria-label={label} onKeyDown={moveBetweenRows}>
        <table>
          <Head columns={columns} sort={sort} onSort={changeSort} />
          <tbody>
            {shown.map((row, i) => (
              <tr
                key={rowKey(row)}
                data-key={rowKey(row)}
                tabIndex={i === 0 ? 0 : -1}
                class={props.rowClass?.(row) ?? ""}
              >
                {columns.map((column, at) => (
                  <Cell key={column.id} row={row} column={column} isFirst={at === 0} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {shown.length === 0 && <Empty>Nothing here matches “{text}”.</Empty>}
      </div>
    </div>
  );
}

function Cell<Row>({ row, column, isFirst }: { row: Row; column: Column<Row>; isFirst: boolean }) {
  const type = `${column.align ?? ""} ${column.optional ? "optional" : ""} ${isFirst ? "name" : ""}`.trim();
  if (isFirst) return <th scope="row" class={type}>{column.cell(row)}</th>;
  return <td class={type} data-column={column.id}>{column.cell(row)}</td>;
}

interface HeadProps<Row> {
  readonly columns: readonly Column<Row>[];
  readonly sort: Sort | null;
  readonly onSort: (sort: Sort) => void;
}

function Head<Row>({ columns, sort, onSort }: HeadProps<Row>) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const isSorted = sort?.column === column.id;
          const direction = isSorted ? sort.descending ? "descending" : "ascending" : "none";
          const type = `${column.align ?? ""} ${column.optional ? "optional" : ""}`.trim();
          if (column.value === undefined) {
            return <th key={column.id} scope="col" class={type} title={column.help}>{column.title}</th>;
          }
          // The first click shows the largest numbers and the first words.
          const descending = isSorted ? !sort.descending : column.align === "num";
          return (
            <th key={column.id} scope="col" class={type} aria-sort={direction} title={column.help}>
              <button type="button" class="sort" onClick={() => onSort({ column: column.id, descending })}>
                {column.title}
                <span aria-hidden="true" class="arrow">{isSorted ? sort.descending ? "↓" : "↑" : ""}</span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function Pages({ page, pages, onPage }: { page: number; pages: number; onPage: (page: number) => void }) {
  return (
    <span class="pages">
      <button type="button" disabled={page === 0} onClick={() => onPage(page - 1)} aria-label="Previous page">
        ‹
      </button>
      {page + 1} of {pages}
      <button
        type="button"
        disabled={page + 1 >= pages}
        onClick={() => onPage(page + 1)}
        aria-label="Next page"
      >
        ›
      </button>
    </span>
  );
}

/** Never silent about what is left out. */
function showing<Row>(props: DataTableProps<Row>, found: number, shown: number): string {
  const total = Math.max(props.total ?? props.rows.length, props.rows.length);
  const noun = total === 1 ? props.one : props.many;
  const dropped = props.dropped ? `, ${count(props.dropped)} older ones dropped` : "";
  if (shown < total) {
    const matched = found < props.rows.length ? ` (${count(found)} match)` : "";
    return `showing ${count(shown)} of ${count(total)} ${noun}${matched}${dropped}`;
  }
  return `${count(total)} ${noun}${dropped}`;
}

function matching<Row>(rows: readonly Row[], columns: readonly Column<Row>[], text: string): readonly Row[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return rows;
  return rows.filter((row) =>
    columns.some((column) => String(column.value?.(row) ?? "").toLowerCase().includes(wanted))
  );
}

function sortedBy<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort): readonly Row[] {
  const value = columns.find((column) => column.id === sort.column)?.value;
  if (value === undefined) return rows;
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((rowA, rowB) => {
    const [a, b] = [value(rowA), value(rowB)];
    if (a === b) return 0;
    if (a === null) return 1;
    if (b === null) return -1;
    return (a < b ? -1 : 1) * sign;
  });
}

/** Arrows, Home and End in a table's body; Enter follows the row's first link. */
export function moveBetweenRows(event: KeyboardEvent): void {
  const row = (event.target as HTMLElement).closest("tbody tr");
  if (!(row instanceof HTMLElement) || (event.target as HTMLElement).closest("input, select")) return;
  const body = row.parentElement!;
  const goal = {
    ArrowDown: row.nextElementSibling,
    ArrowUp: row.previousElementSibling,
    Home: body.firstElementChild,
    End: body.lastElementChild,
  }[event.key];
  if (goal instanceof HTMLElement) {
    row.tabIndex = -1;
    goal.tabIndex = 0;
    goal.focus();
    event.preventDefault();
  } else if (event.key === "Enter" && event.target === row) {
    row.querySelector("a")?.click();
  }
}
