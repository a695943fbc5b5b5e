/**
 * The words beside the timeline: what ran in the selection (or in view) by function, the task that was clicked, and what
 * befell the cluster meanwhile.
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { TimelineLanesDto, TimelineMarker, TimelineRangeDto } from "../../../api/timeline.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { Panel } from "../../components/panel.tsx";
import { State } from "../../components/state.tsx";
import { Failed } from "../../components/states.tsx";
import { bytes, clock, count, duration } from "../../models/format.ts";
import { filterText } from "../../models/filter_text.ts";
import { links } from "../../models/links.ts";
import { ask, question } from "../../models/query.ts";
import { functionColourIndex } from "../../models/theme.ts";
import type { TimelineState } from "./state.ts";

type FunctionRow = TimelineRangeDto["functions"][number];

/** The view must rest so long before its sums are asked for. */
const REST_MS = 250;
/** Sums of what nobody has moved are renewed this often: each is a look at all that ran. */
const RENEW_MS = 3_000;

interface OwnProps {
  readonly jobId: string;
  readonly own: TimelineState;
}

export function Aggregate({ jobId, data, own }: OwnProps & { data: TimelineLanesDto }) {
  const [answer, setAnswer] = useState<TimelineRangeDto | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const selection = own.selection.value, view = own.view.value;
  const following = own.following.value;
  const isAll = following === "all" && selection === null;
  const range = selection ?? (isAll || view === null ? null : { fromMs: view.from, toMs: view.to });
  const from = range === null ? data.fromMs : range.fromMs + data.originMs;
  const to = range === null ? data.toMs : range.toMs + data.originMs;
  // What the viewer has set; the ends of what follows move by themselves.
  const place = following === "no" || selection !== null ? `${from} ${to}` : following;
  const asked = useRef({ place: "", atMs: 0 });
  useEffect(() => {
    const abort = new AbortController();
    const renewMs = asked.current.place === place ? asked.current.atMs + RENEW_MS - performance.now() : 0;
    const timer = setTimeout(() => {
      ask<TimelineRangeDto>(question("timeline/range", { job: jobId, from, to }), abort.signal).then(
        (found) => {
          asked.current = { place, atMs: performance.now() };
          setAnswer(found);
          setFailure(null);
        },
        (error: Error) => abort.signal.aborted || setFailure(error.message),
      );
    }, Math.max(REST_MS, renewMs));
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [from, to, data.version]);
  const runMs = answer?.runMs ?? 0;
  return (
    <Panel
      id="aggregate"
      title={selection !== null
        ? `Selected ${duration(to - from)}`
        : isAll
        ? "The whole job"
        : `In view: ${duration(to - from)}`}
      note={answer === null
        ? undefined
        : `${count(answer.count)} bars, ${duration(runMs)} of work, lanes ${
          Math.round(answer.busy * 100)
        } % busy`}
      actions={selection !== null && (
        <button type="button" onClick={() => own.selection.value = null}>Clear</button>
      )}
    >
      {failure !== null && <Failed message={failure} />}
      {answer !== null && (
        <DataTable
          label="What ran, by function"
          rows={answer.functions}
          rowKey={(row) => String(row.fn)}
          columns={columnsOf(jobId, runMs)}
          one="function"
          many="functions"
          empty="Nothing ran in this time."
          sort={{ column: "runMs", descending: true }}
        />
      )}
    </Panel>
  );
}

function columnsOf(jobId: string, runMs: number): Column<FunctionRow>[] {
  return [
    {
      id: "name",
      title: "Function",
      value: (row) => row.name,
      cell: (row) => (
        <a href={links.tasks({ filter: filterText([`jobId=${jobId}`, `name=${row.name}`]) })} class="clip">
          <i class={`key fn-${functionColourIndex(row.name)}`} aria-hidden="true" />
          {row.name}
        </a>
      ),
    },
    { id: "count", title: "Bars", align: "num", value: (row) => row.count, cell: (row) => count(row.count) },
    {
      id: "failed",
      title: "Failed",
      align: "num",
      value: (row) => row.failed,
      cell: (row) => <span class={row.failed === 0 ? "zero" : "failed-text"}>{count(row.failed)}</span>,
    },
    {
      id: "runMs",
      title: "Ran",
      align: "num",
      value: (row) => row.runMs,
      cell: (row) => duration(row.runMs),
    },
    {
      id: "share",
      title: "Share",
      align: "num",
      optional: true,
      value: (row) => row.runMs,
      cell: (row) => `${runMs === 0 ? 0 : Math.round(row.runMs / runMs * 100)} %`,
    },
    {
      id: "mean",
      title: "Mean",
      align: "num",
      value: (row) => row.meanMs,
      cell: (row) => duration(row.meanMs),
    },
    {
      id: "max",
      title: "Longest",
      align: "num",
      optional: true,
      value: (row) => row.maxMs,
      cell: (row) => duration(row.maxMs),
    },
  ];
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The bar that was clicked. */
export function ChosenBar({ jobId, own }: OwnProps) {
  const bar = own.chosen.value;
  if (bar === null) return null;
  return (
    <Panel
      id="chosen"
      title={bar.name}
      actions={<button type="button" onClick={() => own.chosen.value = null} aria-label="Close">×</button>}
    >
      <dl class="row-facts narrow">
        <Fact name="State">
          <State state={bar.state} />
        </Fact>
        <Fact name="Task">
          <Id id={bar.taskId} whole />
        </Fact>
        <Fact name="Attempt">{count(bar.attempt)}</Fact>
        <Fact name="Queued">{duration(Math.max(0, (bar.pushedMs ?? bar.startMs) - bar.submittedMs))}</Fact>
        <Fact name="Sent before">
          {bar.pushedMs === null ? "–" : duration(Math.max(0, bar.startMs - bar.pushedMs))}
        </Fact>
        <Fact name="Ran">{bar.endMs === null ? "still runs" : duration(bar.endMs - bar.startMs)}</Fact>
        <Fact name="Began">{clock(bar.startMs)}</Fact>
        <Fact name="Result">{bytes(bar.resultBytes)}</Fact>
        <Fact name="Node">
          <Id id={bar.nodeId} />
        </Fact>
        <Fact name="Worker">
          <Id id={bar.workerId} />
        </Fact>
      </dl>
      {bar.errorType !== null && (
        <p class="broken">
          <strong>{bar.errorType}</strong> {bar.errorMessage}
        </p>
      )}
      <p class="links">
        <a href={links.task(bar.taskId)}>Task</a>
        <a href={links.graph({ job: jobId, task: bar.taskId })}>In the graph</a>
        <a href={links.logs({ task: bar.taskId })}>Logs</a>
      </p>
    </Panel>
  );
}

/** What befell the cluster; a click shows the time. */
export function Markers({ data, own }: { data: TimelineLanesDto; own: TimelineState }) {
  if (data.markers.length === 0) return null;
  const show = (marker: TimelineMarker): void => {
    const view = own.view.peek();
    if (view === null) return;
    const at = marker.atMs - data.originMs, half = (view.to - view.from) / 2;
    own.view.value = { from: at - half, to: at + half };
    own.following.value = "no";
  };
  return (
    <Panel
      id="markers"
      title="Meanwhile"
      note={`${count(data.markers.length)} ${data.markers.length === 1 ? "event" : "events"}`}
    >
      <ul class="markers">
        {data.markers.slice(-50).map((marker) => (
          <li key={`${marker.kind} ${marker.atMs} ${marker.text}`}>
            <button type="button" class="plain" onClick={() => show(marker)}>
              <time>{clock(marker.atMs)}</time> {marker.text}
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
