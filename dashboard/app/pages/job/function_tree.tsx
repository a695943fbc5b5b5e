/**
 * Functions below those that submit them: progress, spread of run times, retries, bytes.
 * @module
 */
import type { FunctionProfileDto, ProfileDto, Spread } from "../../../api/tasks.ts";
import { moveBetweenRows } from "../../components/data_table.tsx";
import { Num, Panel, PartsBar } from "../../components/panel.tsx";
import { Empty } from "../../components/states.tsx";
import { bytes, count, duration } from "../../models/format.ts";
import { functionTree, type TreeRow } from "../../models/function_tree.ts";
import { links } from "../../models/links.ts";
import { functionColourIndex } from "../../models/theme.ts";
import { stateParts } from "./progress.tsx";

const TYPES: Readonly<Record<FunctionProfileDto["type"], readonly [sign: string, label: string]>> = {
  NORMAL_TASK: ["ƒ", "function"],
  ACTOR_TASK: ["⬡", "actor method"],
  ACTOR_CREATION_TASK: ["✦", "actor constructor"],
};

export function FunctionTree({ profile }: { profile: ProfileDto }) {
  const rows = functionTree(profile.functions, profile.calls);
  const shown = profile.functions.length;
  const note = shown < profile.functionsTotal
    ? `showing ${count(shown)} of ${count(profile.functionsTotal)}`
    : `${count(shown)} ${shown === 1 ? "function" : "functions"}`;
  const scale = runScale(profile.functions);
  return (
    <Panel id="functions" title="Functions" note={note}>
      {rows.length === 0 ? <Empty>Nothing was submitted yet.</Empty> : (
        <div
          class="scroll tall"
          role="region"
          aria-label="Functions of this job"
          onKeyDown={moveBetweenRows}
        >
          <table>
            <Head />
            <tbody>
              {rows.map((row, i) => (
                <Row key={row.row.id} tree={row} scale={scale} jobId={profile.jobId} isFirst={i === 0} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function Head() {
  return (
    <thead>
      <tr>
        <th scope="col">Function</th>
        <th scope="col" class="bar-column">
          <span class="hidden">Progress</span>
        </th>
        <th scope="col" class="num" title="Wait for arguments or a worker">Waiting</th>
        <th scope="col" class="num">Running</th>
        <th scope="col" class="num">Finished</th>
        <th scope="col" class="num">Failed</th>
        <th scope="col" class="num">Retries</th>
        <th
          scope="col"
          class="spread-column"
          title="Least, quartiles and largest run time, on one scale for all functions"
        >
          Run time
        </th>
        <th scope="col" class="num" title="Half of the attempts ran no longer">p50</th>
        <th scope="col" class="num">p95</th>
        <th scope="col" class="num optional">p99</th>
        <th scope="col" class="num optional" title="From submission until it began: p50">Wait</th>
        <th scope="col" class="num optional" title="Bytes of results">Results</th>
      </tr>
    </thead>
  );
}

interface RowProps {
  readonly tree: TreeRow;
  readonly scale: (ms: number) => number;
  readonly jobId: string | null;
  readonly isFirst: boolean;
}

function Row({ tree: { row, depth, alsoFrom }, scale, jobId, isFirst }: RowProps) {
  const [sign, label] = TYPES[row.type];
  const waiting = row.pendingArgs + row.pendingNode + row.submitted;
  const ended = row.finished + row.failed;
  const filter = (more: string): string =>
    [jobId === null ? "" : `jobId=${jobId}`, `name="${row.name}"`, more].filter((term) => term !== "").join(
      " ",
    );
  const number = (spread: Spread | null, pick: "p50" | "p95" | "p99", type = "") => (
    <td class={`num ${type} ${spread === null ? "zero" : ""}`}>
      {spread === null ? "–" : duration(spread[pick])}
    </td>
  );
  return (
    <tr data-key={row.id} tabIndex={isFirst ? 0 : -1}>
      <th scope="row" class="name" style={{ paddingLeft: `${14 + depth * 18}px` }}>
        {depth > 0 && <span class="branch" aria-label={`called at depth ${depth}`}>└</span>}
        <span class={`key fn-${functionColourIndex(row.name)}`} aria-hidden="true" />
        <span class="mark" aria-label={label} role="img">{sign}</span>
        <a class="clip" href={links.tasks({ filter: filter("") })}>{row.name}</a>
        {alsoFrom.length > 0 && <span class="sub">also from {alsoFrom.join(", ")}</span>}
      </th>
      <td class="bar-column">
        <PartsBar
          parts={stateParts(row)}
          label={`${count(ended)} of ${count(ended + waiting + row.running)} ended`}
        />
      </td>
      <Num value={waiting} />
      <Num value={row.running} kind="running-text" />
      <Num value={row.finished} />
      {row.failed === 0 ? <Num value={0} /> : (
        <td class="num">
          <a class="failed-text" href={links.tasks({ filter: filter("state=FAILED") })}>
            {count(row.failed)}
          </a>
        </td>
      )}
      <Num value={row.retries} />
      <td class="spread-column">{row.run !== null && <Box spread={row.run} scale={scale} />}</td>
      {number(row.run, "p50")}
      {number(row.run, "p95")}
      {number(row.run, "p99", "optional")}
      {number(row.wait, "p50", "optional")}
      <td class={`num optional ${row.resultBytes === 0 ? "zero" : ""}`}>{bytes(row.resultBytes)}</td>
    </tr>
  );
}

/** The five numbers of run times as a box: whiskers from the least to the largest, the box between the quartiles. */
function Box({ spread, scale }: { spread: Spread; scale: (ms: number) => number }) {
  const text =
    `least ${duration(spread.min)}, quarter ${duration(spread.p25)}, half ${duration(spread.p50)}, ` +
    `three quarters ${duration(spread.p75)}, largest ${duration(spread.max)}`;
  const between = (from: number, to: number) => {
    const left = scale(from);
    return { left: `${left}%`, width: `${Math.max(1, scale(to) - left)}%` };
  };
  return (
    <span class="box" role="img" aria-label={text} title={text}>
      <i class="whisker" style={between(spread.min, spread.max)} />
      <i class="quartiles" style={between(spread.p25, spread.p75)} />
      <i class="median" style={{ left: `${scale(spread.p50)}%` }} />
    </span>
  );
}

/** Percent of the width for a run time: logarithmic, from the least to the largest of all functions. */
function runScale(rows: readonly FunctionProfileDto[]): (ms: number) => number {
  const spreads = rows.flatMap((row) => row.run ?? []);
  const place = (ms: number): number => Math.log10(Math.max(0.01, ms));
  const low = Math.min(...spreads.map((spread) => place(spread.min)));
  const high = Math.max(...spreads.map((spread) => place(spread.max)), low + 1);
  return (ms) => Math.min(99, Math.max(0, 100 * (place(ms) - low) / (high - low)));
}
