/**
 * A page of actors, filtered and sorted by the head. Filter, order and page are in the address.
 * @module
 */
import { useState } from "preact/hooks";
import type { ActorDto } from "../../../api_types.ts";
import type { PageOf } from "../../../api/entities.ts";
import { Age } from "../../components/age.tsx";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { NodeName } from "../../components/node_name.tsx";
import { Panel } from "../../components/panel.tsx";
import { State } from "../../components/state.tsx";
import { Answer } from "../../components/states.tsx";
import { count, duration } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";
import { route, setParams } from "../../models/route.ts";

const LIMIT = 50;

export function ActorList() {
  const { params } = route.value;
  const filters = params.getAll("filter");
  const text = params.get("q") ?? "";
  const sort = params.get("sort") ?? "updatedMs";
  const order = params.get("order") ?? "descending";
  /** Cursors of the pages before this one: the way back. */
  const [before, setBefore] = useState<readonly (string | null)[]>([]);
  const after = params.get("after");
  const answer = useQuery<PageOf<ActorDto>>(
    question("actors/page", { filter: filters, text: text || null, sort, order, limit: LIMIT, after }),
  );
  const restart = (changes: Readonly<Record<string, string | null>>): void => {
    setBefore([]);
    setParams({ ...changes, after: null });
  };
  return (
    <Panel
      id="actors"
      title="Actors"
      actions={<Tools text={text} filters={filters} onChange={restart} />}
    >
      <Answer of={answer}>
        {({ rows, total, next, dropped }) => (
          <>
            <DataTable
              label="Actors"
              rows={rows}
              rowKey={(row) => row.actorId}
              columns={COLUMNS}
              total={total}
              dropped={dropped}
              one="actor"
              many="actors"
              filter={false}
              sort={{ column: sort, descending: order === "descending" }}
              onSort={({ column, descending }) =>
                restart({ sort: column, order: descending ? "descending" : "ascending" })}
              empty={filters.length === 0 && text === ""
                ? (
                  <>
                    No actor. A class that is started with <code>.remote()</code> appears here.
                  </>
                )
                : "No actor passes the filter."}
              rowClass={(row) => (row.state === "DEAD" ? "gone" : "")}
            />
            {(next !== null || after !== null) && (
              <p class="pager">
                <button
                  type="button"
                  disabled={after === null}
                  onClick={() => {
                    setParams({ after: before.at(-1) ?? null });
                    setBefore(before.slice(0, -1));
                  }}
                >
                  Previous
                </button>
                <button
                  type="button"
                  disabled={next === null}
                  onClick={() => {
                    setBefore([...before, after]);
                    setParams({ after: next });
                  }}
                >
                  Next {LIMIT}
                </button>
              </p>
            )}
          </>
        )}
      </Answer>
    </Panel>
  );
}

interface ToolsProps {
  readonly text: string;
  readonly filters: readonly string[];
  readonly onChange: (changes: Readonly<Record<string, string | null>>) => void;
}

function Tools({ text, filters, onChange }: ToolsProps) {
  return (
    <>
      {filters.map((filter) => (
        <button
          key={filter}
          type="button"
          class="chip"
          title="Take this filter away"
          onClick={() => onChange({ filter: null })}
        >
          {filter} <span aria-hidden="true">×</span>
        </button>
      ))}
      <input
        type="search"
        class="filter"
        placeholder="Class, name, id, node, cause…"
        aria-label="Search actors"
        value={text}
        onInput={(event) => onChange({ q: event.currentTarget.value })}
      />
    </>
  );
}

const COLUMNS: readonly Column<ActorDto>[] = [
  {
    id: "className",
    title: "Actor",
    cell: (actor) => <Name actor={actor} />,
    value: (actor) => actor.className,
  },
  {
    id: "state",
    title: "State",
    cell: (actor) => (
      <>
        <State state={actor.state} />
        {actor.deathMessage !== null && (
          <div class="sub clip" title={actor.deathMessage}>{actor.deathMessage}</div>
        )}
      </>
    ),
    value: (actor) => actor.state,
  },
  {
    id: "numRestarts",
    title: "Restarts",
    help: "Times it was started again, of how many it may be",
    align: "num",
    cell: (actor) => (
      <span class={actor.numRestarts === 0 ? "zero" : ""}>
        {count(actor.numRestarts)}{" "}
        <span class="muted">of {actor.maxRestarts < 0 ? "∞" : count(actor.maxRestarts)}</span>
      </span>
    ),
    value: (actor) => actor.numRestarts,
  },
  {
    id: "mailboxDepth",
    title: "Mailbox",
    help: "Calls at its process that have not begun",
    align: "num",
    cell: (actor) => actor.mailboxDepth === null ? <span class="zero">–</span> : count(actor.mailboxDepth),
    value: (actor) => actor.mailboxDepth,
  },
  {
    id: "callsPerSecond",
    title: "Calls/s",
    help: "Calls that ended, over the last second",
    align: "num",
    cell: (actor) =>
      actor.callsPerSecond === null ? <span class="zero">–</span> : count(Math.round(actor.callsPerSecond)),
    value: (actor) => actor.callsPerSecond,
  },
  {
    id: "meanCallMs",
    title: "Mean",
    help: "Mean run time of the calls that ended last",
    align: "num",
    optional: true,
    cell: (actor) => actor.meanCallMs === null ? <span class="zero">–</span> : duration(actor.meanCallMs),
    value: (actor) => actor.meanCallMs,
  },
  {
    id: "nodeId",
    title: "Node",
    cell: (actor) => <NodeName id={actor.nodeId} />,
    value: (actor) => actor.nodeId,
  },
  {
    id: "pid",
    title: "Worker",
    align: "num",
    optional: true,
    cell: (actor) => <Id id={actor.workerId} text={actor.pid === null ? "worker" : `pid ${actor.pid}`} />,
    value: (actor) => actor.pid,
  },
  {
    id: "jobId",
    title: "Job",
    optional: true,
    cell: (actor) => <Id id={actor.jobId} />,
    value: (actor) => actor.jobId,
  },
  {
    id: "updatedMs",
    title: "Changed",
    help: "When its state changed last",
    align: "num",
    optional: true,
    cell: (actor) => <Age sinceMs={actor.updatedMs} />,
    value: (actor) => actor.updatedMs,
  },
];

function Name({ actor }: { actor: ActorDto }) {
  return (
    <>
      <a class="clip" href={links.actor(actor.actorId)} title={actor.actorId}>
        {actor.className || "(unknown class)"}
      </a>
      {actor.name !== "" && <span class="tag" title={`namespace ${actor.namespace}`}>{actor.name}</span>}
      {actor.isDetached && <span class="tag">detached</span>}
      <div class="sub">
        <span class="mono">{actor.actorId}</span>
        {actor.reprName !== null && ` ${actor.reprName}`}
      </div>
    </>
  );
}
