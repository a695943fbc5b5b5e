/**
 * Search over the logs of all nodes: conditions stand in the address, newest lines come first, and older ones on demand.
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { LogAnswer, LogLine } from "../../../api/logs.ts";
import { Panel } from "../../components/panel.tsx";
import { Empty, Failed, Loading } from "../../components/states.tsx";
import { bytes, count } from "../../models/format.ts";
import { ask, question, useQuery } from "../../models/query.ts";
import { route, setParams } from "../../models/route.ts";
import { LogLines } from "./log_lines.tsx";

/** Lines of one answer. */
const LINES = 200;
/** Lines that are kept while the page is open. */
const LINES_MAX = 5_000;
/** After the last key. */
const TYPING_MS = 300;
/** How far back a search looks that is asked again and again. */
const FOLLOW_BACK_MS = 600_000;

type Page = Omit<LogAnswer, "next"> & { readonly next: string | null };
type Found =
  | { readonly state: "loading"; readonly lines: readonly LogLine[] }
  | { readonly state: "failed"; readonly message: string }
  | { readonly state: "ready"; readonly lines: readonly LogLine[]; readonly page: Page };

const CONDITIONS = ["q", "i", "level", "task", "actor", "node", "source", "job", "from", "to"] as const;
const TEXTS: readonly (readonly [name: (typeof CONDITIONS)[number], label: string])[] = [
  ["task", "Task or function"],
  ["actor", "Actor"],
  ["node", "Node"],
  ["source", "Worker, head or agent"],
];

export function LogSearch() {
  const { params } = route.value;
  const conditions = Object.fromEntries(CONDITIONS.map((name) => [name, params.get(name)]));
  const follows = params.get("follow") === "1";
  return (
    <Panel id="logs" title="Logs" note="all nodes, ended workers too">
      <Conditions />
      {follows
        ? <Following conditions={conditions} />
        : <Searched key={JSON.stringify(conditions)} conditions={conditions} />}
    </Panel>
  );
}

function Conditions() {
  const { params } = route.value;
  const [timer, setTimer] = useState<ReturnType<typeof setTimeout> | undefined>(undefined);
  const later = (changes: Record<string, string | null>): void => {
    clearTimeout(timer);
    setTimer(setTimeout(() => setParams(changes), TYPING_MS));
  };
  return (
    <form class="log-form" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        class="filter log-pattern"
        placeholder="Regular expression"
        aria-label="Regular expression"
        value={params.get("q") ?? ""}
        onInput={(event) => later({ q: event.currentTarget.value })}
      />
      <label>
        <input
          type="checkbox"
          checked={params.get("i") === "1"}
          onChange={(event) => setParams({ i: event.currentTarget.checked ? "1" : null })}
        />{" "}
        any case
      </label>
      <select
        aria-label="Level"
        value={params.get("level") ?? ""}
        onChange={(event) => setParams({ level: event.currentTarget.value })}
      >
        <option value="">every level</option>
        <option value="info">info or worse</option>
        <option value="warning">warnings and errors</option>
        <option value="error">errors</option>
      </select>
      {TEXTS.map(([name, label]) => (
        <input
          key={name}
          type="search"
          class="filter log-condition"
          placeholder={label}
          aria-label={label}
          value={params.get(name) ?? ""}
          onInput={(event) => later({ [name]: event.currentTarget.value })}
        />
      ))}
      <label>
        <input
          type="checkbox"
          checked={params.get("follow") === "1"}
          onChange={(event) => setParams({ follow: event.currentTarget.checked ? "1" : null })}
        />{" "}
        follow
      </label>
    </form>
  );
}

type Conditions = Readonly<Record<string, string | null>>;

function Searched({ conditions }: { conditions: Conditions }) {
  const [found, setFound] = useState<Found>({ state: "loading", lines: [] });
  const [after, setAfter] = useState<string | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const before = "lines" in found ? found.lines : [];
    setFound({ state: "loading", lines: before });
    ask<Page>(question("logs/search", { ...conditions, after, limit: LINES }), abort.signal).then(
      (page) => setFound({ state: "ready", page, lines: [...[...page.lines].reverse(), ...before] }),
      (error: Error) => {
        if (!abort.signal.aborted) setFound({ state: "failed", message: error.message });
      },
    );
    return () => abort.abort();
  }, [after]);
  if (found.state === "failed") return <Failed message={found.message} />;
  if (found.state === "loading" && found.lines.length === 0) return <Loading />;
  const page = found.state === "ready" ? found.page : null;
  const isOver = found.lines.length >= LINES_MAX;
  return (
    <>
      <div class="table-tools">
        <span class="note showing">
          {count(found.lines.length)} {found.lines.length === 1 ? "line" : "lines"}
          {page !== null && told(page)}
          {isOver && `, no more than ${count(LINES_MAX)} are shown: narrow the search`}
        </span>
        {page !== null && page.next !== null && !isOver && (
          <button
            type="button"
            onClick={() => setAfter(page.next)}
          >
            Older lines
          </button>
        )}
      </div>
      {found.lines.length === 0
        ? (
          <Empty>
            {page?.next == null ? "No line matches." : "No line matches so far: look further back."}
          </Empty>
        )
        : <LogLines lines={found.lines} label="Lines found, oldest first" />}
    </>
  );
}

function Following({ conditions }: { conditions: Conditions }) {
  const [fromMs] = useState(() => Date.now() - FOLLOW_BACK_MS);
  const from = conditions["from"] ?? String(fromMs);
  const { state, data, error } = useQuery<Page>(
    question("logs/search", { ...conditions, from, limit: LINES }),
  ).value;
  if (state === "loading") return <Loading />;
  return (
    <>
      {error !== null && <Failed message={error.message} />}
      {data !== null && (
        <>
          <div class="table-tools">
            <span class="note showing">
              the newest {count(data.lines.length)} lines, as they come{told(data)}
            </span>
          </div>
          {data.lines.length === 0
            ? <Empty>No line yet.</Empty>
            : <LogLines lines={[...data.lines].reverse()} label="Newest lines" />}
        </>
      )}
    </>
  );
}

/** Never silent about what was not searched. */
function told({ searchedBytes, totalBytes, files, unreachable, next }: Page): string {
  const away = unreachable.length === 0 ? "" : `; ${unreachable.join(", ")} did not answer`;
  const more = next === null ? "" : ", older ones were not looked at";
  return ` · searched ${bytes(Math.min(searchedBytes, totalBytes))} of ${bytes(totalBytes)} in ${
    count(files)
  } files${more}${away}`;
}
