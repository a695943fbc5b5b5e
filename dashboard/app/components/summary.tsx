/**
 * The cluster in one line of figures.
 * @module
 */
import type { ClusterDto } from "../../api_types.ts";
import { cluster } from "../models/cluster.ts";
import { bytes, count, quantity } from "../models/format.ts";
import { PartsBar } from "./panel.tsx";

export function Summary() {
  const about = cluster.value;
  if (about === null) return null;
  return (
    <section class="panel summary" aria-label="Cluster">
      <Figures about={about} />
      <Missing about={about} />
    </section>
  );
}

const tasksOf = (size: number): string => size === 1 ? "task" : "tasks";

function Figures({ about }: { about: ClusterDto }) {
  const { tasks } = about;
  const waiting = tasks.pendingArgs + tasks.pendingNode + tasks.submitted;
  const cpu = about.resources["CPU"];
  return (
    <dl class="figures">
      <Figure
        id="finished"
        label="Finished"
        value={count(tasks.finished)}
        kind="finished"
        unit={tasksOf(tasks.finished)}
      />
      <Figure
        id="running"
        label="Running"
        value={count(tasks.running)}
        kind="running"
        unit={tasksOf(tasks.running)}
      />
      <Figure id="waiting" label="Waiting" value={count(waiting)} kind="waiting" unit={tasksOf(waiting)} />
      <Figure
        id="failed"
        label="Failed"
        value={count(tasks.failed)}
        kind="failed"
        unit={tasksOf(tasks.failed)}
      />
      <Figure
        id="nodes-alive"
        label="Nodes"
        value={count(about.nodesAlive)}
        unit={about.nodesTotal > about.nodesAlive
          ? `alive, ${about.nodesTotal - about.nodesAlive} gone`
          : "alive"}
      />
      <Figure id="actors-alive" label="Actors" value={count(about.actorsAlive)} unit="alive" />
      {cpu !== undefined && (
        <Figure
          id="cpu"
          label="CPU held"
          value={quantity("CPU", cpu.used)}
          unit={`of ${quantity("CPU", cpu.total)}`}
          bar={{ used: cpu.used, total: cpu.total }}
        />
      )}
      <Figure
        id="store"
        label="Object store"
        value={bytes(about.storeUsedBytes)}
        unit={`of ${bytes(about.storeBytes)}`}
        bar={{ used: about.storeUsedBytes, total: about.storeBytes }}
      />
    </dl>
  );
}

interface FigureProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly unit: string;
  readonly kind?: string;
  readonly bar?: { readonly used: number; readonly total: number };
}

function Figure({ id, label, value, unit, kind, bar }: FigureProps) {
  return (
    <div id={`figure-${id}`}>
      <dt>
        {kind !== undefined && <span class={`key ${kind}`} aria-hidden="true" />}
        {label}
      </dt>
      <dd>
        <span class="value">{value}</span> <span class="unit">{unit}</span>
        {bar !== undefined && (
          <PartsBar
            whole={bar.total}
            parts={[{ size: bar.used, kind: "used", label }]}
            label={`${label}: ${value} ${unit}`}
          />
        )}
      </dd>
    </div>
  );
}

/** What the picture leaves out is said, never silent. */
function Missing({ about }: { about: ClusterDto }) {
  const parts: string[] = [];
  if (about.taskRowsSampledOut > 0) parts.push(`${count(about.taskRowsSampledOut)} task rows sampled out`);
  if (about.taskRowsEvicted > 0) parts.push(`${count(about.taskRowsEvicted)} only in the history`);
  if (about.functionNamesDropped > 0) {
    parts.push(`${count(about.functionNamesDropped)} function reports left out`);
  }
  if (about.objectsUntracked > 0) parts.push(`${count(about.objectsUntracked)} objects not tracked`);
  if (parts.length === 0) return null;
  return <p class="footnote">Counts are exact. Rows: {parts.join(" · ")}.</p>;
}
