/**
 * What ran where and when: lanes of workers and actors, from the whole job down to single tasks with their phases.
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { TimelineLane, TimelineLanesDto } from "../../api/timeline.ts";
import { JobPicker, usePickedJob } from "../components/job_picker.tsx";
import { Failed, Loading } from "../components/states.tsx";
import { actors, nodes } from "../models/cluster.ts";
import { count, duration, shortId } from "../models/format.ts";
import { question, useQuery } from "../models/query.ts";
import { useFewFrames, useTopics } from "../models/subscriptions.ts";
import { Aggregate, ChosenBar, Markers } from "./timeline/panels.tsx";
import { followAddress } from "./timeline/address.ts";
import { ExportButton } from "./timeline/export.tsx";
import { TimelineInput } from "./timeline/input.ts";
import { createTimelineState, type TimelineState } from "./timeline/state.ts";
import { TimelineCanvas } from "./timeline/view.ts";

export function TimelinePage() {
  useTopics("nodes", "actors");
  useFewFrames();
  const picked = usePickedJob();
  return (
    <section id="timeline" class="panel canvas-page" aria-labelledby="timeline-title">
      <h2 id="timeline-title" class="hidden">Timeline</h2>
      {picked.jobId === null
        ? (picked.isKnown
          ? (
            <p class="empty">
              Nothing has run yet. Tasks appear here, lane by lane, as soon as a program calls{" "}
              <code>remote()</code>.
            </p>
          )
          : <Loading />)
        : (
          <JobTimeline
            key={picked.jobId}
            jobId={picked.jobId}
            picker={<JobPicker picked={picked} forget={["from", "to"]} />}
          />
        )}
    </section>
  );
}

function JobTimeline({ jobId, picker }: { jobId: string; picker: ComponentChildren }) {
  const { state, data, error } = useQuery<TimelineLanesDto>(question("timeline/lanes", { job: jobId })).value;
  const own = useMemo(createTimelineState, []);
  return (
    <>
      <Tools jobId={jobId} data={data} own={own} picker={picker} />
      {error !== null && <Failed message={error.message} />}
      {state === "loading" && <Loading rows={8} />}
      {data !== null && data.lanes.length === 0 && (
        <p class="empty">This job has run nothing yet: its lanes appear with its first task.</p>
      )}
      {data !== null && data.lanes.length > 0 && (
        <>
          <Lanes jobId={jobId} data={data} own={own} />
          <Missing data={data} />
          <div class="split timeline-words">
            <Aggregate jobId={jobId} data={data} own={own} />
            <div class="stack">
              <ChosenBar jobId={jobId} own={own} />
              <Markers data={data} own={own} />
            </div>
          </div>
        </>
      )}
    </>
  );
}

interface ToolsProps {
  readonly jobId: string;
  readonly data: TimelineLanesDto | null;
  readonly own: TimelineState;
  readonly picker: ComponentChildren;
}

function Tools({ jobId, data, own, picker }: ToolsProps) {
  const following = own.following.value;
  return (
    <div class="canvas-tools" role="toolbar" aria-label="Timeline">
      {picker}
      {data !== null && (
        <span class="note" id="timeline-total">
          {count(data.bars)} bars in {count(data.lanes.length)} lanes
          {data.lanes.length < data.lanesTotal &&
            `, showing ${count(data.lanes.length)} of ${count(data.lanesTotal)} lanes`}
        </span>
      )}
      <span class="spring" />
      <button
        type="button"
        title="F"
        aria-pressed={following === "all"}
        onClick={() => own.following.value = "all"}
      >
        Fit
      </button>
      <button
        type="button"
        title="L: keep the newest end in view"
        aria-pressed={following === "end"}
        onClick={() => own.following.value = following === "end" ? "no" : "end"}
      >
        Follow
      </button>
      <button
        type="button"
        title="I: squeeze the times in which nothing ran"
        aria-pressed={own.isSqueezed.value}
        onClick={() => own.isSqueezed.value = !own.isSqueezed.value}
      >
        Collapse idle
      </button>
      {data !== null && <ExportButton jobId={jobId} />}
    </div>
  );
}

function Lanes({ jobId, data, own }: { jobId: string; data: TimelineLanesDto; own: TimelineState }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const view = useRef<TimelineCanvas | null>(null);
  useEffect(() => {
    const canvas = ref.current!;
    const made = view.current = new TimelineCanvas(canvas, jobId, own, { node: nodeName, lane: laneName });
    const input = new TimelineInput(canvas, made, own, jobId);
    made.setData(data);
    const endAddress = followAddress(own, jobId, data.originMs, made);
    return () => {
      endAddress();
      input.stop();
      made.stop();
    };
  }, []);
  // With the words, not a frame later.
  useLayoutEffect(() => view.current?.setData(data), [data]);
  return (
    <div class="timeline">
      <canvas
        ref={ref}
        tabIndex={0}
        role="application"
        aria-label={`Timeline: ${data.lanes.length} lanes, ${data.bars} bars. W and S zoom, A and D move, F fits, L follows, I collapses idle time. The table below says the same.`}
        aria-describedby="timeline-keys"
        data-detail={own.detail.value}
      />
      <Tip own={own} originMs={data.originMs} toMs={data.toMs} />
      <p class="legend" id="timeline-keys">
        <span>
          <i class="key run" aria-hidden="true" />run
        </span>
        <span>
          <i class="key data" aria-hidden="true" />sent, not begun
        </span>
        <span>
          <i class="key line waiting" aria-hidden="true" />queued
        </span>
        <span>
          <i class="key failed" aria-hidden="true" />failed
        </span>
        <span class="hint">
          <kbd>W</kbd> <kbd>A</kbd> <kbd>S</kbd> <kbd>D</kbd>, wheel and drag move · <kbd>Shift</kbd>{" "}
          drag selects · a click on a lane's name pins it
        </span>
      </p>
    </div>
  );
}

/** A node by the name of its machine, when several machines are not called the same. */
function nodeName(nodeId: string | null): string {
  if (nodeId === null) return "unknown";
  const rows = nodes.peek()?.rows ?? [];
  const row = rows.find((node) => node.nodeId === nodeId);
  const isOnly = row !== undefined && rows.filter((node) => node.hostname === row.hostname).length === 1;
  return row === undefined ? shortId(nodeId) : isOnly ? row.hostname : `${row.hostname} ${shortId(nodeId)}`;
}

/** An actor by its name or class, a worker by its id; which of a worker's calls side by side. */
function laneName({ actorId, workerId, label, slot }: TimelineLane): string {
  const rows = actors.peek()?.rows ?? [];
  const actor = actorId === null ? undefined : rows.find((row) => row.actorId === actorId);
  const place = slot === 0 ? "" : ` #${slot}`;
  if (actor !== undefined) {
    const isOnly = rows.filter((row) => row.className === actor.className).length === 1;
    return `⬡ ${actor.name || `${actor.className}${isOnly ? "" : ` ${actor.actorId.slice(2, 6)}`}`}${place}`;
  }
  if (actorId !== null) return `⬡ ${label.startsWith(actorId) ? shortId(actorId) + place : label}`;
  return workerId !== null && label.startsWith(workerId) ? shortId(workerId) + place : label;
}

function Tip({ own, originMs, toMs }: { own: TimelineState; originMs: number; toMs: number }) {
  const over = own.hovered.value;
  if (over === null) return null;
  const { bar, x, y } = over;
  const ran = (bar.endMs ?? toMs) - bar.startMs;
  const fetched = bar.pushedMs === null ? null : bar.startMs - bar.pushedMs;
  const queued = (bar.pushedMs ?? bar.startMs) - bar.submittedMs;
  return (
    <div
      class="tip"
      style={{ left: `${Math.max(8, Math.min(x + 14, innerWidth - 260))}px`, top: `${y + 16}px` }}
    >
      <strong>{bar.name}</strong>
      <div>
        {bar.endMs === null ? "runs for" : bar.state === "FAILED" ? "failed after" : "ran"} {duration(ran)}
      </div>
      <div class="muted">
        queued {duration(Math.max(0, queued))}
        {fetched !== null && <>, sent {duration(Math.max(0, fetched))} before it began</>}
      </div>
      <div class="muted">
        {shortId(bar.taskId)}
        {bar.attempt > 0 && ` · attempt ${bar.attempt}`} · at {duration(Math.max(0, bar.startMs - originMs))}
      </div>
    </div>
  );
}

/** What of the job's tasks is not here. Never silent. */
function Missing({ data }: { data: TimelineLanesDto }) {
  const { sampledOut, evicted, bars } = data;
  if (sampledOut + evicted === 0) return null;
  return (
    <p class="footnote">
      Showing {count(bars)} of {count(bars + sampledOut + evicted)} tasks: {count(sampledOut)}{" "}
      were not recorded because they came too fast, {count(evicted)} had to make room for newer ones.
    </p>
  );
}
