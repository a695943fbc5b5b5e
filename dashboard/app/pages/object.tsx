/**
 * One object: where it is, who keeps it alive, where it came from, and why it is where it is.
 * @module
 */
import type { ObjectRowDto } from "../../api/entities.ts";
import type { MemoryReport, MemoryRow, ObjectHolder } from "../../api/memory.ts";
import { Age } from "../components/age.tsx";
import { FactList } from "../components/facts.tsx";
import { Id } from "../components/id.tsx";
import { NodeName } from "../components/node_name.tsx";
import { Panel } from "../components/panel.tsx";
import { Empty, Loading } from "../components/states.tsx";
import { Why } from "../components/why.tsx";
import { bytes, duration } from "../models/format.ts";
import { holderWord } from "../models/holders.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";

/** Holders that are drawn one by one. */
const HOLDERS_SHOWN = 100;

export function ObjectPage({ id }: { id: string }) {
  useTopics("nodes");
  const row = useQuery<ObjectRowDto>(question("objects/one", { id })).value;
  const told = useQuery<MemoryReport>(question("objects/holders", { id })).value;
  const memory = told.data?.rows.find(({ objectId }) => objectId === id) ?? null;
  const isKnown = row.data !== null || memory !== null;
  return (
    <>
      <Panel id="object" title="Object" note={<span class="mono">{id}</span>}>
        {!isKnown && (row.state === "loading" || told.state === "loading") ? <Loading /> : !isKnown
          ? (
            <Empty>
              No node has {id}: it was freed, or its value never left the process that asked for it.
            </Empty>
          )
          : <About id={id} row={row.data} memory={memory} />}
        <Why id={id} open />
      </Panel>
      {isKnown && <Places row={row.data} memory={memory} />}
      {isKnown && <KeptBy report={told.data} row={memory} isLoading={told.state === "loading"} />}
    </>
  );
}

interface AboutProps {
  readonly id: string;
  readonly row: ObjectRowDto | null;
  readonly memory: MemoryRow | null;
}

function About({ id, row, memory }: AboutProps) {
  const task = taskOf(id);
  const owner = row?.owner || memory?.owner || null;
  const home = row?.home || memory?.home || null;
  const producer = row?.producer || memory?.producer || "";
  const size = Math.max(row?.bytes ?? 0, memory?.bytes ?? 0);
  const loss = row?.loss ?? null;
  return (
    <FactList
      facts={[
        { name: "Size", value: size === 0 ? "not known yet" : bytes(size) },
        {
          name: "Made by",
          value: (
            <>
              {producer !== "" && <a href={links.objects({ group: producer })}>{producer}</a>}{" "}
              {task !== null && (
                <>
                  in task <a class="mono" href={links.task(task)}>{task}</a>
                </>
              )}
            </>
          ),
        },
        memory?.callSite == null ? null : { name: "Call site", value: <code>{memory.callSite}</code> },
        {
          name: "Owner",
          value: <Id id={owner} whole />,
          help: "The process that submitted its task, or put it",
        },
        {
          name: "Counted at",
          value: <NodeName id={home} />,
          help: "The agent of its owner's node counts who refers to it",
        },
        memory?.ageMs == null ? null : { name: "Stored since", value: duration(memory.ageMs) },
        row?.isError ? { name: "Value", value: "an error" } : null,
        loss === null ? null : {
          name: loss.isRebuilt ? "Made again" : "Lost",
          value: (
            <>
              <Age sinceMs={loss.atMs} /> ago: {loss.reason}
            </>
          ),
        },
      ]}
    />
  );
}

/** One copy, or a node that a copy is on its way to. */
interface Place {
  readonly nodeId: string;
  readonly state: string;
  readonly isPrimary: boolean;
}

function Places({ row, memory }: { row: ObjectRowDto | null; memory: MemoryRow | null }) {
  const places = placesOf(row, memory);
  return (
    <Panel
      id="places"
      title="Where is it?"
      note={places.length === 0 ? undefined : `${places.length} ${places.length === 1 ? "node" : "nodes"}`}
    >
      {places.length === 0
        ? <Empty>No store has a copy: its task is not done, or only its owner has the value.</Empty>
        : (
          <ul class="places">
            {places.map(({ nodeId, state, isPrimary }) => (
              <li key={nodeId} data-key={nodeId} data-state={state} class={state.toLowerCase()}>
                <NodeName id={nodeId} />
                <span>{WORDS[state] ?? state}</span>
                {isPrimary && <span class="tag" title="The copy that must not be lost">primary</span>}
              </li>
            ))}
          </ul>
        )}
    </Panel>
  );
}

const WORDS: Readonly<Record<string, string>> = {
  IN_MEMORY: "in memory",
  INLINE: "small, in its agent's memory",
  SPILLED: "on disk alone",
  IN_FLIGHT: "on its way",
};

/** The nodes' own word, where they have given one; else what the head knows. */
function placesOf(row: ObjectRowDto | null, memory: MemoryRow | null): Place[] {
  if (memory !== null && memory.nodes.length > 0) {
    return memory.nodes.map(({ nodeId, state, primary }) => ({ nodeId, state, isPrimary: primary }));
  }
  if (row === null) return [];
  return [
    ...row.nodes.map((nodeId) => ({
      nodeId,
      state: row.spilled.includes(nodeId) ? "SPILLED" : "IN_MEMORY",
      isPrimary: nodeId === row.primary,
    })),
    ...row.inFlight.map((nodeId) => ({ nodeId, state: "IN_FLIGHT", isPrimary: false })),
  ];
}

interface KeptByProps {
  readonly report: MemoryReport | null;
  readonly row: MemoryRow | null;
  readonly isLoading: boolean;
}

function KeptBy({ report, row, isLoading }: KeptByProps) {
  const holders = row?.holders ?? [];
  const silent = [...report?.silent ?? [], ...report?.unreachable ?? []];
  return (
    <Panel
      id="kept-by"
      title="Who keeps it alive?"
      note={holders.length > HOLDERS_SHOWN ? `showing ${HOLDERS_SHOWN} of ${holders.length}` : undefined}
    >
      {isLoading
        ? <Loading />
        : holders.length === 0
        ? <Empty>Nobody refers to it: it goes when its stores need the room, or at once.</Empty>
        : (
          <table>
            <thead>
              <tr>
                <th scope="col">Held as</th>
                <th scope="col">By</th>
                <th scope="col">At</th>
              </tr>
            </thead>
            <tbody>
              {holders.slice(0, HOLDERS_SHOWN).map((holder, i) => (
                <Holder key={i} holder={holder} owner={row!.owner} />
              ))}
            </tbody>
          </table>
        )}
      {silent.length > 0 && (
        <p class="footnote">
          {silent.length === 1 ? "One process or node" : `${silent.length} processes or nodes`}{" "}
          did not answer in time.
        </p>
      )}
    </Panel>
  );
}

function Holder({ holder, owner }: { holder: ObjectHolder; owner: string }) {
  return (
    <tr data-kind={holder.kind}>
      <th scope="row">{holderWord(holder, owner)}</th>
      <td>
        <Id id={holder.holder} whole />
      </td>
      <td>
        <NodeName id={holder.nodeId} />
      </td>
    </tr>
  );
}

/** A task's results are named after it; what was put has no task. */
function taskOf(objectId: string): string | null {
  const dot = objectId.lastIndexOf(".");
  return dot < 0 ? null : `t${objectId.slice(1, dot)}`;
}
