/**
 * Two runs side by side: totals, each function's times with what differs, failures, and how both went along.
 * @module
 */
import "./history.css";
import type { HistoryDto } from "../../../api/history.ts";
import type { ProfileDto } from "../../../api/tasks.ts";
import type { RatesDto } from "../../../api_types.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Panel } from "../../components/panel.tsx";
import { State } from "../../components/state.tsx";
import { Answer, Empty } from "../../components/states.tsx";
import {
  type ComparedError,
  type ComparedFunction,
  compareErrors,
  compareFunctions,
} from "../../models/compare.ts";
import { bytes, count, duration } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";
import { route, setParams } from "../../models/route.ts";
import { dateAndTime, shortName } from "./history_page.tsx";

type Side = "a" | "b";

export function ComparePage() {
  const { params } = route.value;
  const [a, b] = [params.get("a"), params.get("b")];
  const first = useQuery<ProfileDto>(a === null ? null : question("profile", { job: a }));
  const second = useQuery<ProfileDto>(b === null ? null : question("profile", { job: b }));
  const [one, two] = [first.value.data, second.value.data];
  return (
    <>
      <Panel id="compare" title="Compare jobs">
        <div class="compare-heads">
          <Head side="a" id={a} answer={first} other={two} />
          <Head side="b" id={b} answer={second} other={one} />
        </div>
      </Panel>
      {one !== null && two !== null && (
        <>
          <Totals a={one} b={two} />
          <Functions a={one} b={two} />
          <Errors a={one} b={two} />
        </>
      )}
    </>
  );
}

interface HeadProps {
  readonly side: Side;
  readonly id: string | null;
  readonly answer: ReturnType<typeof useQuery<ProfileDto>>;
  readonly other: ProfileDto | null;
}

function Head({ side, id, answer, other }: HeadProps) {
  const list = useQuery<HistoryDto>(question("history", { limit: 200 }));
  const rows = list.value.data?.rows ?? [];
  return (
    <div class="compare-head" data-side={side}>
      <h3>{side.toUpperCase()}</h3>
      <select
        aria-label={`Job ${side.toUpperCase()}`}
        value={id ?? ""}
        onChange={(event) => setParams({ [side]: event.currentTarget.value }, true)}
      >
        {id === null && <option value="">Choose a job</option>}
        {id !== null && !rows.some((row) => row.jobId === id) && <option value={id}>{id}</option>}
        {rows.map((row) => (
          <option key={row.jobId} value={row.jobId}>
            {shortName(row)} · {dateAndTime(row.startedMs)} · {row.jobId}
          </option>
        ))}
      </select>
      {id === null ? <Empty>Choose a job that is kept.</Empty> : (
        <Answer of={answer}>
          {(profile) => (
            <>
              <p>
                {profile.job !== null && <State state={profile.job.state} />} <a href={links.job(id)}>open</a>
              </p>
              <Strip profile={profile} other={other} />
            </>
          )}
        </Answer>
      )}
    </div>
  );
}

/** Tasks that ended, second by second since the job began; both on one scale. */
function Strip({ profile, other }: { profile: ProfileDto; other: ProfileDto | null }) {
  const [own, others] = [ratesOf(profile), other === null ? null : ratesOf(other)];
  const seconds = Math.max(1, span(own), others === null ? 0 : span(others));
  const most = Math.max(1, ...own.finished, ...others?.finished ?? []);
  const { atMs, finished, failed } = own;
  if (atMs.length === 0) return <p class="note">No rates are kept of it.</p>;
  const startMs = atMs[0]!;
  const points = (values: readonly number[]): string =>
    values.map((value, i) =>
      `${((atMs[i]! - startMs) / 1_000 / seconds * 1_000).toFixed(1)},${(98 - value / most * 92).toFixed(1)}`
    )
      .join(" ");
  const peak = Math.max(...finished);
  return (
    <>
      <svg
        class="compare-strip"
        viewBox="0 0 1000 100"
        preserveAspectRatio="none"
        role="img"
        aria-label={`Tasks that ended each second, at most ${peak}`}
      >
        <polygon
          class="line"
          points={`0,98 ${points(finished)} ${
            ((atMs.at(-1)! - startMs) / 1_000 / seconds * 1_000).toFixed(1)
          },98`}
        />
        {failed.some((value) => value > 0) && <polyline class="failures" points={points(failed)} />}
      </svg>
      <span class="note">at most {count(peak)} tasks a second; {duration(seconds * 1_000)} across</span>
    </>
  );
}

/** The seconds until the job's end: rates that are asked for later go on with nothing. */
function ratesOf({ rates, job }: ProfileDto): Pick<RatesDto, "atMs" | "finished" | "failed"> {
  const endMs = job?.endedMs ?? Infinity;
  const after = rates.atMs.findIndex((atMs) => atMs > endMs + rates.stepMs);
  const length = after < 0 ? rates.atMs.length : after;
  return {
    atMs: rates.atMs.slice(0, length),
    finished: rates.finished.slice(0, length),
    failed: rates.failed.slice(0, length),
  };
}

function span({ atMs }: Pick<RatesDto, "atMs">): number {
  return atMs.length === 0 ? 0 : (atMs.at(-1)! - atMs[0]!) / 1_000;
}

interface Total {
  readonly name: string;
  readonly value: (profile: ProfileDto) => number | null;
  readonly format: (value: number) => string;
  /** Whether less is better; null: neither. */
  readonly lessIsBetter: boolean | null;
}

const TOTALS: readonly Total[] = [
  { name: "Took", value: tookMs, format: duration, lessIsBetter: true },
  { name: "Tasks finished", value: ({ totals }) => totals.finished, format: count, lessIsBetter: null },
  { name: "Tasks failed", value: ({ totals }) => totals.failed, format: count, lessIsBetter: true },
  { name: "Retries", value: ({ retries }) => retries, format: count, lessIsBetter: true },
  { name: "Time in tasks", value: ({ runMs }) => runMs, format: duration, lessIsBetter: true },
  { name: "Bytes of results", value: ({ resultBytes }) => resultBytes, format: bytes, lessIsBetter: null },
  { name: "Bytes of arguments", value: ({ argBytes }) => argBytes, format: bytes, lessIsBetter: null },
];

function tookMs({ job }: ProfileDto): number | null {
  return job === null || job.endedMs === null ? null : job.endedMs - job.startedMs;
}

interface Pair {
  readonly a: ProfileDto;
  readonly b: ProfileDto;
}

function Totals({ a, b }: Pair) {
  return (
    <Panel id="compare-totals" title="Totals">
      <DataTable<Total>
        label="Totals of both jobs"
        rows={TOTALS}
        rowKey={(row) => row.name}
        one="total"
        many="totals"
        empty=""
        columns={[
          { id: "name", title: "", cell: (row) => row.name },
          { id: "a", title: "A", align: "num", cell: (row) => shown(row.value(a), row.format) },
          { id: "b", title: "B", align: "num", cell: (row) => shown(row.value(b), row.format) },
          {
            id: "change",
            title: "B against A",
            align: "num",
            cell: (row) => <Change a={row.value(a)} b={row.value(b)} lessIsBetter={row.lessIsBetter} />,
          },
        ]}
      />
    </Panel>
  );
}

function shown(value: number | null, format: (value: number) => string): string {
  return value === null ? "–" : format(value);
}

function Change(
  { a, b, lessIsBetter }: { a: number | null; b: number | null; lessIsBetter: boolean | null },
) {
  if (a === null || b === null) return <span class="zero">–</span>;
  if (a === b) return <span class="zero">same</span>;
  const type = lessIsBetter === null ? "" : (b < a) === lessIsBetter ? "better" : "worse";
  return <span class={`difference ${type}`}>{a === 0 ? "from none" : percent(b / a - 1)}</span>;
}

/** +12 %, ×3.4 */
function percent(change: number): string {
  if (change >= 2) return `×${(change + 1).toFixed(1)}`;
  return `${change > 0 ? "+" : "−"}${Math.abs(change * 100).toFixed(Math.abs(change) < 0.1 ? 1 : 0)} %`;
}

function Functions({ a, b }: Pair) {
  const rows = compareFunctions(a, b);
  return (
    <Panel
      id="compare-functions"
      title="Functions"
      note="run times; those that differ most in time spent first"
    >
      <DataTable<ComparedFunction>
        label="Functions of both jobs"
        rows={rows}
        rowKey={(row) => row.key}
        total={Math.max(rows.length, a.functionsTotal, b.functionsTotal)}
        one="function"
        many="functions"
        empty="Neither has run a task."
        columns={FUNCTION_COLUMNS}
      />
    </Panel>
  );
}

/** A quantile of one side's run times. */
function quantile(id: string, title: string, side: Side, of: "p50" | "p95"): Column<ComparedFunction> {
  const value = (row: ComparedFunction): number | null => row[side]?.run?.[of] ?? null;
  return {
    id,
    title,
    align: "num",
    optional: of === "p95",
    value,
    cell: (row) => shown(value(row), duration),
  };
}

const FUNCTION_COLUMNS: readonly Column<ComparedFunction>[] = [
  { id: "name", title: "Function", value: (row) => row.name, cell: (row) => row.name },
  { id: "tasks", title: "Tasks A / B", align: "num", cell: (row) => `${tasks(row.a)} / ${tasks(row.b)}` },
  quantile("p50a", "Median A", "a", "p50"),
  quantile("p50b", "Median B", "b", "p50"),
  quantile("p95a", "p95 A", "a", "p95"),
  quantile("p95b", "p95 B", "b", "p95"),
  {
    id: "change",
    title: "Mean",
    align: "num",
    value: (row) => row.change,
    cell: (row) => {
      // Coloured when it is more than chance.
      const isClear = row.verdict === "slower" || row.verdict === "faster";
      return (
        <Change
          a={row.a?.run?.mean ?? null}
          b={row.b?.run?.mean ?? null}
          lessIsBetter={isClear ? true : null}
        />
      );
    },
  },
  {
    id: "verdict",
    title: "B is",
    help:
      "By how the values spread: clear beyond three standard errors, perhaps beyond two; few: fewer than five runs",
    value: (row) => row.verdict,
    cell: ({ verdict }) => (
      <span class={`difference ${verdict === "slower" ? "worse" : verdict === "faster" ? "better" : ""}`}>
        {VERDICTS[verdict] ?? verdict}
      </span>
    ),
  },
];

const VERDICTS: Readonly<Record<string, string>> = {
  few: "too few to say",
  same: "no clear difference",
  "only a": "not in B",
  "only b": "not in A",
};

function tasks(side: ComparedFunction["a"]): string {
  return side === null ? "–" : count(side.finished + side.failed);
}

function Errors({ a, b }: Pair) {
  return (
    <Panel id="compare-errors" title="Failures">
      <DataTable<ComparedError>
        label="Failures of both jobs"
        rows={compareErrors(a, b)}
        rowKey={(row) => row.key}
        one="kind of failure"
        many="kinds of failures"
        empty="No task of either has failed."
        columns={[
          {
            id: "function",
            title: "Function",
            value: (row) => row.functionName,
            cell: (row) => row.functionName,
          },
          { id: "type", title: "Error", value: (row) => row.errorType, cell: (row) => row.errorType },
          {
            id: "message",
            title: "Message",
            optional: true,
            value: (row) => row.message,
            cell: (row) => row.message.slice(0, 200),
          },
          { id: "a", title: "A", align: "num", value: (row) => row.a, cell: (row) => count(row.a) },
          { id: "b", title: "B", align: "num", value: (row) => row.b, cell: (row) => count(row.b) },
        ]}
      />
    </Panel>
  );
}
