/**
 * How far a job is: one bar, its parts as links to the tasks, and the figures around it.
 * @module
 */
import type { ProfileDto } from "../../../api/tasks.ts";
import type { TaskTotals } from "../../../api_types.ts";
import { Panel, type Part, PartsBar } from "../../components/panel.tsx";
import { bytes, count, duration } from "../../models/format.ts";
import { links } from "../../models/links.ts";

interface StatePart extends Part {
  /** The filter that shows these tasks. */
  readonly filter: string;
}

/** The states of a sum, in the order in which tasks pass them, the ends first. */
export function stateParts(totals: TaskTotals): StatePart[] {
  return [
    { kind: "finished", label: "finished", size: totals.finished, filter: "state=FINISHED" },
    { kind: "failed", label: "failed", size: totals.failed, filter: "state=FAILED" },
    { kind: "running", label: "running", size: totals.running, filter: "state=RUNNING" },
    { kind: "sent", label: "at a worker", size: totals.submitted, filter: "state=SUBMITTED_TO_WORKER" },
    { kind: "waiting", label: "queued", size: totals.pendingNode, filter: "state=PENDING_NODE_ASSIGNMENT" },
    {
      kind: "blocked",
      label: "wait for arguments",
      size: totals.pendingArgs,
      filter: "state=PENDING_ARGS_AVAIL",
    },
  ];
}

export function Progress({ profile }: { profile: ProfileDto }) {
  const { totals, jobId, recorded } = profile;
  const parts = stateParts(totals);
  const total = parts.reduce((sum, part) => sum + part.size, 0);
  const ended = totals.finished + totals.failed;
  const missing = recorded.sampledOut + recorded.evicted + recorded.lost;
  return (
    <Panel id="progress" title="Progress" note={`${count(ended)} of ${count(total)} attempts ended`}>
      <div class="progress">
        <PartsBar parts={parts} label={`${count(ended)} of ${count(total)} ended`} />
        <ul class="state-parts">
          {parts.map((part) => (
            <li key={part.kind} class={part.size === 0 ? "zero" : ""} data-state={part.kind}>
              <a href={links.tasks({ filter: `${jobId === null ? "" : `jobId=${jobId} `}${part.filter}` })}>
                <span class={`key ${part.kind}`} aria-hidden="true" />
                <b>{count(part.size)}</b> {part.label}
              </a>
            </li>
          ))}
        </ul>
      </div>
      <dl class="figures compact">
        <Figure id="rate" label="Rate" value={`${rate(profile.perSecond)}/s`} />
        <Figure id="eta" label="Left" value={profile.etaMs === null ? "–" : duration(profile.etaMs)} />
        <Figure id="run-time" label="Time in functions" value={duration(profile.runMs)} />
        <Figure id="retries" label="Retries" value={count(profile.retries)} />
        <Figure id="result-bytes" label="Results" value={bytes(profile.resultBytes)} />
        <Figure id="argument-bytes" label="Arguments" value={bytes(profile.argBytes)} />
      </dl>
      {missing > 0 && (
        <p class="footnote">
          Spreads are of {count(recorded.attempts)} recorded attempts; {count(missing)} are not kept.
        </p>
      )}
    </Panel>
  );
}

function Figure({ id, label, value }: { id: string; label: string; value: string }) {
  return (
    <div id={`figure-${id}`}>
      <dt>{label}</dt>
      <dd class="value">{value}</dd>
    </div>
  );
}

function rate(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0 ? count(perSecond) : perSecond.toFixed(1);
}
