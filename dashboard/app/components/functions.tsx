/**
 * Tasks by function and state: exact counts.
 * @module
 */
import type { FunctionDto, TaskTypeName } from "../../api_types.ts";
import { functions } from "../models/cluster.ts";
import { filterText } from "../models/filter_text.ts";
import { count, duration } from "../models/format.ts";
import { links } from "../models/links.ts";
import { useTopics } from "../models/subscriptions.ts";
import { Num, Panel, PartsBar, Scroll, Showing } from "./panel.tsx";
import { Empty, Loading } from "./states.tsx";

const TYPES: Record<TaskTypeName, { mark: string; label: string }> = {
  NORMAL_TASK: { mark: "ƒ", label: "function" },
  ACTOR_TASK: { mark: "⬡", label: "actor method" },
  ACTOR_CREATION_TASK: { mark: "✦", label: "actor constructor" },
};

export function Functions() {
  useTopics("functions");
  const table = functions.value;
  const rows = [...table?.rows ?? []].sort(byActivity);
  return (
    <Panel
      id="functions"
      title="Tasks by function"
      note={<Showing table={table} one="function" many="functions" />}
    >
      {table === null ? <Loading /> : rows.length === 0
        ? (
          <Empty>
            No task yet. What a program submits with <code>.remote()</code> appears here at once.
          </Empty>
        )
        : (
          <Scroll label="Tasks by function and state">
            <table>
              <thead>
                <tr>
                  <th scope="col">Function</th>
                  <th scope="col" class="bar-column">
                    <span class="hidden">Progress</span>
                  </th>
                  <th scope="col" class="num" title="Waiting for arguments">Args</th>
                  <th scope="col" class="num" title="Waiting for a worker">Queued</th>
                  <th scope="col" class="num" title="Sent to a worker, not yet running">Sent</th>
                  <th scope="col" class="num">Running</th>
                  <th scope="col" class="num">Finished</th>
                  <th scope="col" class="num">Failed</th>
                  <th scope="col" class="num" title="Mean run time">Mean</th>
                </tr>
              </thead>
              <tbody>{rows.map((row) => <FunctionRow key={row.key} row={row} />)}</tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

function FunctionRow({ row }: { row: FunctionDto }) {
  const type = TYPES[row.type];
  const waiting = row.pendingArgs + row.pendingNode + row.submitted;
  const total = waiting + row.running + row.finished + row.failed;
  return (
    <tr data-key={row.key}>
      <th scope="row" class="name" title={`${row.name} (${type.label})`}>
        <span class="mark" aria-label={type.label} role="img">{type.mark}</span>
        <a class="clip" href={links.tasks({ filter: filterText([`name=${row.name}`]) })}>{row.name}</a>
      </th>
      <td class="bar-column">
        <PartsBar
          label={`${count(row.finished)} of ${count(total)} finished`}
          parts={[
            { kind: "finished", size: row.finished, label: "finished" },
            { kind: "running", size: row.running, label: "running" },
            { kind: "waiting", size: waiting, label: "waiting" },
            { kind: "failed", size: row.failed, label: "failed" },
          ]}
        />
      </td>
      <Num value={row.pendingArgs} />
      <Num value={row.pendingNode} />
      <Num value={row.submitted} />
      <Num value={row.running} kind="running-text" />
      <Num value={row.finished} />
      <Num value={row.failed} kind="failed-text" />
      <td class={`num ${row.meanRunMs === null ? "zero" : ""}`}>
        {row.meanRunMs === null ? "–" : duration(row.meanRunMs)}
      </td>
    </tr>
  );
}

/** What is under way first, then the most; rows of equal rank keep their place. */
function byActivity(a: FunctionDto, b: FunctionDto): number {
  const active = (row: FunctionDto): number =>
    row.running + row.submitted + row.pendingNode + row.pendingArgs > 0 ? 1 : 0;
  const total = (row: FunctionDto): number => row.finished + row.failed;
  return active(b) - active(a) || total(b) - total(a) || (a.key < b.key ? -1 : 1);
}
