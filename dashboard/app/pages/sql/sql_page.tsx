/**
 * The control state is a database: a console that reads it. Statements come from the address (`q`), so that they can be
 * passed on; they run when somebody says so, never by themselves.
 * @module
 */
import "./sql.css";
import { useEffect, useRef, useState } from "preact/hooks";
import type { SqlRequest, SqlResult, SqlTable } from "../../../api/sql.ts";
import { Panel } from "../../components/panel.tsx";
import { Answer, Empty, Failed, Loading } from "../../components/states.tsx";
import { command, isViewer } from "../../models/command.ts";
import { useQuery } from "../../models/query.ts";
import { route, setParams } from "../../models/route.ts";
import { EXAMPLES, FIRST_SQL } from "./examples.ts";
import { SqlRows } from "./result.tsx";

const ROW_LIMITS = [100, 1_000, 10_000];

type Run =
  | { readonly state: "none" }
  | { readonly state: "running" }
  | { readonly state: "done"; readonly result: SqlResult }
  | { readonly state: "failed"; readonly message: string };

export function SqlPage() {
  if (isViewer.value) {
    return (
      <Panel id="sql" title="SQL">
        <Empty>Statements are for the full role; this browser is signed in to look.</Empty>
      </Panel>
    );
  }
  return <Console />;
}

function Console() {
  const [sql, setSql] = useState(route.value.params.get("q") ?? FIRST_SQL);
  const [limit, setLimit] = useState(1_000);
  const { run, start, stop } = useRun();
  const submit = (): void => {
    setParams({ q: sql });
    start({ sql, limit });
  };
  return (
    <div class="sql-page">
      <div class="sql-main">
        <Panel id="sql" title="SQL" note="reads the store; nothing can be changed from here">
          <form
            class="sql-form"
            onSubmit={(event) => {
              event.preventDefault();
              submit();
            }}
          >
            <Editor sql={sql} onInput={setSql} onSubmit={submit} />
            <div class="sql-tools">
              {run.state === "running"
                ? <button type="button" onClick={stop}>Stop</button>
                : <button type="submit" class="primary">Run</button>}
              <span class="note">
                <kbd>Ctrl</kbd> <kbd>Enter</kbd>
              </span>
              <label class="note">
                at most{" "}
                <select value={limit} onChange={(event) => setLimit(Number(event.currentTarget.value))}>
                  {ROW_LIMITS.map((rows) => (
                    <option key={rows} value={rows}>{rows.toLocaleString("en-US")}</option>
                  ))}
                </select>{" "}
                rows
              </label>
            </div>
          </form>
        </Panel>
        <Panel id="sql-result" title="Result">
          <Outcome run={run} />
        </Panel>
      </div>
      <Aside onPick={setSql} />
    </div>
  );
}

/** One statement at a time. What is stopped is no longer waited for; the head ends it when its time is over. */
function useRun(): { run: Run; start: (request: SqlRequest) => void; stop: () => void } {
  const [run, setRun] = useState<Run>({ state: "none" });
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const start = (request: SqlRequest): void => {
    abort.current?.abort();
    const own = abort.current = new AbortController();
    setRun({ state: "running" });
    command<SqlResult>("sql", request, own.signal).then(
      (result) => own === abort.current && setRun({ state: "done", result }),
      (error: Error) => own === abort.current && setRun({ state: "failed", message: error.message }),
    );
  };
  const stop = (): void => {
    abort.current?.abort();
    abort.current = null;
    setRun({ state: "none" });
  };
  return { run, start, stop };
}

function Outcome({ run }: { run: Run }) {
  if (run.state === "none") return <Empty>Run a statement, or begin with one of the examples.</Empty>;
  if (run.state === "running") return <Loading rows={5} />;
  if (run.state === "failed") return <Failed message={run.message} />;
  return <SqlRows result={run.result} />;
}

interface EditorProps {
  readonly sql: string;
  readonly onInput: (sql: string) => void;
  readonly onSubmit: () => void;
}

function Editor({ sql, onInput, onSubmit }: EditorProps) {
  return (
    <textarea
      class="sql-editor"
      aria-label="Statement"
      spellcheck={false}
      autocomplete="off"
      rows={Math.min(16, Math.max(5, sql.split("\n").length + 1))}
      value={sql}
      onInput={(event) => onInput(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        onSubmit();
      }}
    />
  );
}

function Aside({ onPick }: { onPick: (sql: string) => void }) {
  const tables = useQuery<readonly SqlTable[]>("sql/tables");
  return (
    <div class="sql-aside">
      <Panel id="sql-examples" title="Examples">
        <ul class="sql-examples">
          {EXAMPLES.map(({ title, sql }) => (
            <li key={title}>
              <button type="button" class="plain" onClick={() => onPick(sql)}>{title}</button>
            </li>
          ))}
        </ul>
      </Panel>
      <Panel id="sql-tables" title="Tables">
        <Answer of={tables}>
          {(list) => list.map((table) => <Table key={table.name} table={table} onPick={onPick} />)}
        </Answer>
      </Panel>
    </div>
  );
}

function Table({ table, onPick }: { table: SqlTable; onPick: (sql: string) => void }) {
  const { name, about, columns } = table;
  return (
    <details class="sql-table">
      <summary class="mono">{name}</summary>
      <p class="note">{about}</p>
      <ul>
        {columns.map((column) => (
          <li key={column.name}>
            <span class="mono">{column.name}</span> <span class="note">{column.type.toLowerCase()}</span>
          </li>
        ))}
      </ul>
      <button type="button" onClick={() => onPick(`SELECT * FROM ${name} LIMIT 100`)}>Use</button>
    </details>
  );
}
