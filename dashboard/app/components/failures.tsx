/**
 * The newest failed attempts, with what they say.
 * @module
 */
import { failures } from "../models/cluster.ts";
import { clock, shortId } from "../models/format.ts";
import { useTopics } from "../models/subscriptions.ts";
import { Panel, Scroll } from "./panel.tsx";

const SHOWN = 20;

export function Failures() {
  useTopics("failures");
  const table = failures.value;
  if (table === null || table.rows.length === 0) return null;
  const rows = [...table.rows].sort((a, b) => (b.endMs ?? 0) - (a.endMs ?? 0)).slice(0, SHOWN);
  return (
    <Panel id="failures" title="Newest failures" note={`showing ${rows.length}`}>
      <Scroll label="Newest failed attempts">
        <table>
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col">Error</th>
              <th scope="col" class="num">At</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.key} data-key={row.key}>
                <th scope="row" class="name">
                  <span class="clip" title={row.name}>{row.name}</span>
                  <div class="sub">
                    <span class="mono" title={row.taskId}>{row.taskId}</span> · attempt {row.attempt}
                    {row.nodeId === null ? "" : ` · ${shortId(row.nodeId)}`}
                  </div>
                </th>
                <td class="wrap">
                  <span class="failed-text">{row.errorType || "Error"}</span>{" "}
                  <span class="message">{row.errorMessage}</span>
                </td>
                <td class="num">{row.endMs === null ? "–" : clock(row.endMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
