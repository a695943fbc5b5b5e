/**
 * One actor: the machine of its states with its history, how its calls fare, where it lives, what it printed, and why.
 * @module
 */
import type { ActorPageDto } from "../../api/entities.ts";
import { Age } from "../components/age.tsx";
import { type Fact, FactList, Figures } from "../components/facts.tsx";
import { Id } from "../components/id.tsx";
import { LogTail } from "../components/log_tail.tsx";
import { NodeName } from "../components/node_name.tsx";
import { Panel } from "../components/panel.tsx";
import { Answer } from "../components/states.tsx";
import { State } from "../components/state.tsx";
import { Why } from "../components/why.tsx";
import { bytes, count, duration, quantity } from "../models/format.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { Calls } from "./actors/calls.tsx";
import { Life } from "./actors/life.tsx";
import { PendingCalls } from "./actors/pending_calls.tsx";

export function ActorPage({ id }: { id: string }) {
  useTopics("nodes");
  const answer = useQuery<ActorPageDto>(question("actors/one", { id }));
  return (
    <Answer of={answer}>
      {(page) => (
        <>
          <Head page={page} />
          <Life page={page} />
          <Calls page={page} />
          <PendingCalls actorId={id} />
          {!page.isLight && <LogTail title="What it wrote" where={{ actor: id }} />}
          <Options page={page} />
        </>
      )}
    </Answer>
  );
}

function Head({ page }: { page: ActorPageDto }) {
  const { actor, worker, isLight } = page;
  const isOver = actor.state === "DEAD";
  return (
    <Panel
      id="actor"
      title={actor.className || "Actor"}
      note={
        <>
          {actor.name !== "" && <span class="tag">{actor.name}</span>}
          {actor.isDetached && <span class="tag">detached</span>}
          {isLight && <span class="tag">light</span>} <span class="mono">{actor.actorId}</span>
        </>
      }
      actions={<Why id={actor.actorId} text={isOver ? "Why is it dead?" : "Why is it where it is?"} />}
    >
      <Figures
        figures={[
          { name: "State", value: <State state={actor.state} /> },
          {
            name: "Restarts",
            value: restarts(page),
            help: "Times it was started again, of how many it may be",
          },
          {
            name: "Mailbox",
            value: orDash(actor.mailboxDepth),
            help: "Calls at its process that have not begun",
          },
          { name: "Running", value: orDash(actor.callsRunning), help: `Of ${actor.maxConcurrency} at once` },
          { name: "Calls/s", value: orDash(actor.callsPerSecond), help: "That ended, over the last second" },
          {
            name: "Mean call",
            value: actor.meanCallMs === null ? "–" : duration(actor.meanCallMs),
            help: "Run time of the calls that ended last",
          },
          { name: "Answered", value: orDash(actor.callsFinished), help: "Since this incarnation began" },
          {
            name: isLight ? "Host's memory" : "Memory",
            value: worker?.rssBytes == null ? "–" : bytes(worker.rssBytes),
            help: "Of its process, without what it shares with others",
          },
          {
            name: isLight ? "Host's CPU" : "CPU",
            value: worker?.cpuPercent == null ? "–" : `${Math.round(worker.cpuPercent)} %`,
            help: "Of one processor",
          },
        ]}
      />
      {actor.deathMessage !== null && (
        <p class="broken">
          <strong>{actor.deathCause}</strong> {actor.deathMessage}
        </p>
      )}
    </Panel>
  );
}

function restarts({ actor }: ActorPageDto) {
  return (
    <>
      {count(actor.numRestarts)}{" "}
      <span class="muted">of {actor.maxRestarts < 0 ? "∞" : count(actor.maxRestarts)}</span>
    </>
  );
}

function orDash(value: number | null): string {
  return value === null ? "–" : count(Math.round(value));
}

function Options({ page: { actor } }: { page: ActorPageDto }) {
  const resources = Object.entries(actor.requiredResources).map(([name, value]) =>
    `${quantity(name, value)} ${name}`
  );
  const facts: (Fact | null)[] = [
    { name: "Node", value: <NodeName id={actor.nodeId} /> },
    { name: "Worker", value: <Id id={actor.workerId} whole /> },
    { name: "Pid", value: actor.pid ?? "–" },
    { name: "Job", value: <Id id={actor.jobId} whole /> },
    { name: "Owner", value: <Id id={actor.owner} whole />, help: "The process that made it" },
    { name: "Constructor", value: <Id id={`t-${actor.actorId.slice(2)}-c`} whole /> },
    { name: "Namespace", value: actor.namespace },
    actor.reprName === null ? null : { name: "Says of itself", value: actor.reprName },
    { name: "Created", value: <>{<Age sinceMs={actor.createdMs} />} ago</> },
    { name: "Incarnation", value: count(actor.incarnation) },
    { name: "Calls at once", value: count(actor.maxConcurrency) },
    {
      name: "Retries of a call",
      value: actor.maxTaskRetries < 0 ? "without end" : count(actor.maxTaskRetries),
    },
    { name: "Resources held", value: resources.length === 0 ? "none" : resources.join(", ") },
    actor.placementGroupId === null
      ? null
      : { name: "Placement group", value: <Id id={actor.placementGroupId} whole /> },
    actor.labelSelector === null
      ? null
      : { name: "Label selector", value: <code>{JSON.stringify(actor.labelSelector)}</code> },
    actor.concurrencyGroups === null
      ? null
      : { name: "Concurrency groups", value: <code>{JSON.stringify(actor.concurrencyGroups)}</code> },
    actor.runtimeEnv === null
      ? null
      : { name: "Environment", value: <code>{JSON.stringify(actor.runtimeEnv)}</code> },
    actor.callSite === null ? null : { name: "Call site", value: <code>{actor.callSite}</code> },
    {
      name: "Its calls",
      value: <a href={links.tasks({ filter: `actorId=${actor.actorId}` })}>all tasks of this actor</a>,
    },
  ];
  return (
    <Panel id="actor-options" title="Where it lives and what it may">
      <FactList facts={facts} />
    </Panel>
  );
}
