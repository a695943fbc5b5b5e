/**
 * Jobs that are kept: they stay through restarts of head and cluster. Search and filters are in the address.
 * @module
 */
import "./history.css";
import { useState } from "preact/hooks";
import type { HistoryDto, HistoryRowDto } from "../../../api/history.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Panel } from "../../components/panel.tsx";
import { State } from "../../components/state.tsx";
import { Answer } from "../../components/states.tsx";
import { bytes, count, duration } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";
import { navigate, route, setParams } from "../../models/route.ts";

const ROWS = 200;
const STATES = ["", "SUCCEEDED", "FAILED", "RUNNING"];
const SINCE: readonly (readonly [label: string, hours: number])[] = [
  ["any time", 0],
  ["the last hour", 1],
  ["the last day", 24],
  ["the last week", 168],
];

export function HistoryPage() {
  const { params } = route.value;
  const hours = Number(params.get("hours") ?? "0");
  // To the minute, so that the question stays the same while the page is open.
  const from = hours > 0 ? Math.floor((Date.now() - hours * 3_600_000) / 60_000) * 60_000 : null;
  const [after, setAfter] = useState<string | null>(null);
  const wanted = { q: params.get("q"), state: params.get("state"), from, limit: ROWS, after };
  const answer = useQuery<HistoryDto>(question("history", wanted));
  return (
    <Panel id="history" title="History" note="records of jobs, kept through restarts">
      <Filters onChange={() => setAfter(null)} />
      <Answer of={answer}>
        {(history) => <Kept history={history} isFirst={after === null} onPage={setAfter} />}
      </Answer>
    </Panel>
  );
}

function Filters({ onChange }: { onChange: () => void }) {
  const { params } = route.value;
  const set = (name: string) => (event: { currentTarget: { value: string } }): void => {
    onChange();
    setParams({ [name]: event.currentTarget.value });
  };
  return (
    <div class="table-tools">
      <input
        type="search"
        class="filter"
        placeholder="Search names and ids"
        aria-label="Search names and ids"
        value={params.get("q") ?? ""}
        onInput={set("q")}
      />
      <label class="note">
        state{" "}
        <select value={params.get("state") ?? ""} onChange={set("state")}>
          {STATES.map((state) => (
            <option key={state} value={state}>{state === "" ? "any" : state.toLowerCase()}</option>
          ))}
        </select>
      </label>
      <label class="note">
        begun{" "}
        <select value={params.get("hours") ?? "0"} onChange={set("hours")}>
          {SINCE.map(([label, hours]) => <option key={hours} value={String(hours)}>{label}</option>)}
        </select>
      </label>
    </div>
  );
}

interface KeptProps {
  readonly history: HistoryDto;
  readonly isFirst: boolean;
  readonly onPage: (after: string | null) => void;
}

function Kept({ history, isFirst, onPage }: KeptProps) {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const choose = (id: string): void =>
    setChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-2));
  const { rows, total, kept, keptBytes, dropped, next } = history;
  return (
    <>
      <div class="table-tools">
        <span class="note">
          {count(kept)} {kept === 1 ? "job is" : "jobs are"} kept in {bytes(keptBytes)}
          {dropped > 0 && `; ${count(dropped)} older ones made room`}
        </span>
        <button
          type="button"
          disabled={chosen.length !== 2}
          title="Choose two jobs in the table"
          onClick={() => navigate(links.compare(chosen[0]!, chosen[1]!))}
        >
          Compare {chosen.length} of 2
        </button>
        {!isFirst && <button type="button" onClick={() => onPage(null)}>Newest</button>}
        {next !== null && <button type="button" onClick={() => onPage(next)}>Older</button>}
      </div>
      <DataTable<HistoryRowDto>
        label="Kept jobs"
        rows={rows}
        rowKey={(row) => row.jobId}
        columns={columnsOf(chosen, choose)}
        total={total}
        filter={false}
        one="job"
        many="jobs"
        empty={kept === 0
          ? "No job is kept yet. One is a moment after it ends."
          : "No kept job is like this; take a filter away."}
      />
    </>
  );
}

function columnsOf(chosen: readonly string[], choose: (id: string) => void): Column<HistoryRowDto>[] {
  return [
    {
      id: "name",
      title: "Job",
      value: (row) => row.name,
      cell: (row) => <a href={links.job(row.jobId)} title={`${row.name} ${row.jobId}`}>{shortName(row)}</a>,
    },
    {
      id: "choose",
      title: "Compare",
      cell: (row) => (
        <input
          type="checkbox"
          aria-label={`Compare ${row.jobId}`}
          checked={chosen.includes(row.jobId)}
          onChange={() => choose(row.jobId)}
        />
      ),
    },
    { id: "state", title: "State", value: (row) => row.state, cell: (row) => <State state={row.state} /> },
    {
      id: "started",
      title: "Begun",
      value: (row) => row.startedMs,
      cell: (row) => dateAndTime(row.startedMs),
    },
    {
      id: "took",
      title: "Took",
      align: "num",
      value: (row) => (row.endedMs ?? row.madeMs) - row.startedMs,
      cell: (row) =>
        `${duration((row.endedMs ?? row.madeMs) - row.startedMs)}${row.endedMs === null ? "+" : ""}`,
    },
    {
      id: "finished",
      title: "Finished",
      align: "num",
      value: (row) => row.finished,
      cell: (row) => count(row.finished),
    },
    {
      id: "failed",
      title: "Failed",
      align: "num",
      value: (row) => row.failed,
      cell: (row) => count(row.failed),
    },
    {
      id: "id",
      title: "Id",
      optional: true,
      value: (row) => row.jobId,
      cell: (row) => <span class="mono">{row.jobId}</span>,
    },
    {
      id: "bytes",
      title: "Kept",
      align: "num",
      optional: true,
      value: (row) => row.bytes,
      cell: (row) => bytes(row.bytes),
    },
  ];
}

/** The program's file, else what was started, else the id. */
export function shortName({ name, jobId }: { name: string; jobId: string }): string {
  const file = name.split(/\s+/).findLast((part) => /\.[cm]?[jt]sx?$/.test(part));
  return file?.split("/").at(-1) ?? (name.slice(0, 60) || jobId);
}

/** 2026-11-23 17:40:02, local. */
export function dateAndTime(ms: number): string {
  return new Date(ms).toLocaleString("sv-SE");
}
