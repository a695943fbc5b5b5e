/**
 * Attempts of tasks, newest first: filtered by the server, page by page. The filter stands in the address.
 * @module
 */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { ListAnswer } from "../../api/state.ts";
import type { TaskRowDto } from "../../api/tasks.ts";
import { DataTable } from "../components/data_table.tsx";
import { Panel } from "../components/panel.tsx";
import { Failed, Loading } from "../components/states.tsx";
import { count } from "../models/format.ts";
import { columnOf, filterTerms, withTerm } from "../models/filter_text.ts";
import { question, useQuery } from "../models/query.ts";
import { route, setParams } from "../models/route.ts";
import { timeRange } from "../models/range.ts";
import { TASK_COLUMNS } from "./task/task_columns.tsx";

/** Rows of one page. */
const PAGE_ROWS = 100;
/** A filter that is being typed is asked for when the keys rest. */
const TYPING_MS = 350;

const STATES: readonly (readonly [title: string, term: string | null])[] = [
  ["All", null],
  ["Running", "state=RUNNING"],
  ["Queued", "state=PENDING_NODE_ASSIGNMENT"],
  ["Wait for arguments", "state=PENDING_ARGS_AVAIL"],
  ["Failed", "state=FAILED"],
  ["Finished", "state=FINISHED"],
];

/** Cursors of the pages that were left to get here; the last is the present one's. */
const cursors = signal<readonly string[]>([]);

export function TasksPage() {
  const text = route.value.params.get("filter") ?? "";
  const range = timeRange.value;
  const terms = [
    ...filterTerms(text),
    ...(range === null ? [] : [`submittedMs<${range.toMs}`, `endMs>${range.fromMs}`]),
  ];
  const where = terms.join("\n");
  useEffect(() => void (cursors.value = []), [where]);
  const after = cursors.value.at(-1) ?? null;
  const answer = useQuery<ListAnswer>(question("tasks", { filter: terms, limit: PAGE_ROWS, after }));
  const { state, data, error } = answer.value;
  return (
    <Panel id="tasks" title="Tasks" note="newest first">
      <FilterBar text={text} isWrong={error?.code === "BAD_REQUEST"} />
      {error !== null && <Failed message={error.message} />}
      {state === "loading" && <Loading rows={8} />}
      {data !== null && error === null && (
        <>
          <DataTable
            label="Attempts of tasks"
            one="attempt"
            many="attempts"
            filter={false}
            rows={data.rows as unknown as readonly TaskRowDto[]}
            total={data.total}
            dropped={data.dropped}
            rowKey={(row) => `${row.taskId} ${row.attempt}`}
            columns={TASK_COLUMNS}
            empty={terms.length === 0
              ? "No task yet. What a program submits with .remote() appears here at once."
              : "No attempt matches this filter."}
          />
          <Pager answer={data} />
        </>
      )}
    </Panel>
  );
}

function FilterBar({ text, isWrong }: { text: string; isWrong: boolean }) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => setParams({ filter: typed }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const present = filterTerms(text).find((term) => columnOf(term) === "state") ?? null;
  return (
    <form
      class="filter-bar"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        setParams({ filter: typed });
      }}
    >
      <input
        type="search"
        class="filter wide"
        aria-label="Filter tasks"
        aria-invalid={isWrong}
        placeholder="name~fetch state=FAILED durationMs>5s nodeId=n-…"
        spellcheck={false}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
      <span class="choices" role="group" aria-label="State">
        {STATES.map(([title, term]) => (
          <button
            key={title}
            type="button"
            aria-pressed={present === term}
            onClick={() => setParams({ filter: withTerm(text, "state", term) }, true)}
          >
            {title}
          </button>
        ))}
      </span>
    </form>
  );
}

function Pager({ answer }: { answer: ListAnswer }) {
  const pages = cursors.value;
  if (pages.length === 0 && answer.next === null) return null;
  return (
    <p class="pager">
      <button type="button" disabled={pages.length === 0} onClick={() => cursors.value = pages.slice(0, -1)}>
        Newer
      </button>
      <span class="note">
        page {pages.length + 1} of {count(Math.max(1, Math.ceil(answer.total / PAGE_ROWS)))}
      </span>
      <button
        type="button"
        disabled={answer.next === null}
        onClick={() => cursors.value = [...pages, answer.next!]}
      >
        Older
      </button>
    </p>
  );
}
