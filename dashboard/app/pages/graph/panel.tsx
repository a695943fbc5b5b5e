/**
 * The panel beside the graph: everything about what was clicked, with the ways on from there; or the critical path.
 * @module
 */
import type { ComponentChildren } from "preact";
import type { CriticalPathDto, GraphGroup, GraphObject, GraphTask } from "../../../api/graph.ts";
import { Age } from "../../components/age.tsx";
import { Id } from "../../components/id.tsx";
import { State } from "../../components/state.tsx";
import { bytes, clock, count, duration } from "../../models/format.ts";
import { filterText } from "../../models/filter_text.ts";
import { links } from "../../models/links.ts";
import { nodeColourIndex } from "../../models/node_colours.ts";
import { setParams } from "../../models/route.ts";
import { functionColourIndex } from "../../models/theme.ts";
import type { GroupRates } from "./rates.ts";
import { type GraphScene, heldOf, neighbours, openOf, type SceneNode } from "./scene.ts";
import type { GraphState } from "./state.ts";

interface PanelProps {
  readonly jobId: string;
  readonly own: GraphState;
  readonly scene: GraphScene;
  readonly critical: CriticalPathDto | null;
  readonly rates: GroupRates;
}

export function GraphPanel({ jobId, own, scene, critical, rates }: PanelProps) {
  const selected = own.selected.value;
  const node = selected === null ? undefined : scene.nodes.find((each) => each.key === selected.key);
  const close = (): void => {
    own.selected.value = null;
  };
  if (selected === null || node === undefined) {
    return critical === null ? null : <CriticalPanel path={critical} jobId={jobId} />;
  }
  const task = node.kind === "task"
    ? node.task
    : node.kind === "cloud" && selected.taskId !== null
    ? node.cloud.dots.find((dot) => dot.task.taskId === selected.taskId)?.task
    : undefined;
  if (task !== undefined) {
    return (
      <Aside title={task.name} onClose={close}>
        <TaskFacts jobId={jobId} task={task} />
      </Aside>
    );
  }
  if (node.kind === "object") {
    return (
      <Aside title="Object" onClose={close}>
        <ObjectFacts object={node.object} />
      </Aside>
    );
  }
  if (node.kind === "task") return null;
  return (
    <Aside title={node.name} onClose={close} colour={functionColourIndex(node.name)}>
      <GroupFacts jobId={jobId} group={node.group} rate={rates.of(node.key)} />
      <Flows own={own} scene={scene} node={node} />
    </Aside>
  );
}

interface AsideProps {
  readonly title: string;
  readonly onClose?: () => void;
  readonly colour?: number;
  readonly children: ComponentChildren;
}

function Aside({ title, onClose, colour, children }: AsideProps) {
  return (
    <aside class="graph-panel" aria-label={title}>
      <div class="panel-head">
        {colour !== undefined && <i class={`key fn-${colour}`} aria-hidden="true" />}
        <h2>{title}</h2>
        {onClose !== undefined && (
          <span class="actions">
            <button type="button" onClick={onClose} aria-label="Close">×</button>
          </span>
        )}
      </div>
      {children}
    </aside>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function GroupFacts({ jobId, group, rate }: { jobId: string; group: GraphGroup; rate: number }) {
  const held = Object.entries(group.nodes).filter(([, size]) => size > 0).sort((a, b) => b[1] - a[1]);
  const waiting = openOf(group) - group.running;
  const over = group.finished + group.failed;
  const tasks = (...terms: readonly string[]): string =>
    links.tasks({ filter: filterText([`jobId=${jobId}`, `name=${group.name}`, ...terms]) });
  if (group.type === "put") {
    return (
      <dl class="row-facts narrow">
        <Fact name="Held">{bytes(heldOf(group))}</Fact>
        <Holders held={held} />
      </dl>
    );
  }
  return (
    <>
      <dl class="row-facts narrow">
        <Fact name="Finished">{count(group.finished)}</Fact>
        <Fact name="Running">
          <span class={group.running > 0 ? "running-text" : "zero"}>{count(group.running)}</span>
        </Fact>
        <Fact name="Waiting">
          {count(waiting)}
          {waiting > 0 && (
            <span class="muted">
              &nbsp;({count(group.pendingArgs)} for arguments, {count(group.pendingNode)} for a worker)
            </span>
          )}
        </Fact>
        <Fact name="Failed">
          <span class={group.failed > 0 ? "failed-text" : "zero"}>{count(group.failed)}</span>
        </Fact>
        <Fact name="Rate">
          {rate < 0.05 ? "–" : `${rate < 10 ? rate.toFixed(1) : count(rate)} per second`}
        </Fact>
        <Fact name="Run time">
          {over === 0 ? "–" : `${duration(group.runMs / over)} each, ${duration(group.runMs)} in all`}
        </Fact>
        {held.length > 0 && <Fact name="Held">{bytes(heldOf(group))}</Fact>}
        <Holders held={held} />
      </dl>
      <p class="links">
        <button type="button" onClick={() => setParams({ group: group.id, task: null }, true)}>
          Open its tasks
        </button>
        <a href={tasks()}>Tasks</a>
        {group.failed > 0 && <a href={tasks("state=FAILED")}>Failed</a>}
        {waiting > 0 && <a href={tasks("state=PENDING_NODE_ASSIGNMENT")}>Why waiting</a>}
        <a href={links.timeline({ job: jobId })}>Timeline</a>
        {group.failed > 0 && <a href={links.errors({ job: jobId })}>Errors</a>}
      </p>
    </>
  );
}

function Holders({ held }: { held: readonly (readonly [string, number])[] }) {
  return (
    <>
      {held.slice(0, 8).map(([nodeId, size]) => (
        <div key={nodeId}>
          <dt>
            <i class={`key node-${nodeColourIndex.value.get(nodeId) ?? 0}`} aria-hidden="true" />
            <Id id={nodeId} />
          </dt>
          <dd>{bytes(size)}</dd>
        </div>
      ))}
      {held.length > 8 && <Fact name="">showing 8 of {count(held.length)} nodes</Fact>}
    </>
  );
}

/** What it takes and what takes from it; a click goes there. */
function Flows({ own, scene, node }: { own: GraphState; scene: GraphScene; node: SceneNode }) {
  const rows = (direction: "up" | "down") =>
    neighbours(scene, node.key, direction).slice(0, 12).map((key) => {
      const edge = scene.edges.find((each) =>
        direction === "up"
          ? each.from === key && each.to === node.key
          : each.from === node.key && each.to === key
      );
      const other = scene.nodes.find((each) => each.key === key);
      return (
        <li key={key}>
          <button type="button" class="plain" onClick={() => own.selected.value = { key, taskId: null }}>
            <span class="clip">{other?.name ?? key}</span>
            <span class="muted">
              {edge?.bytes ? `${bytes(edge.bytes)} · ` : ""}
              {count(edge?.count ?? 0)}×
            </span>
          </button>
        </li>
      );
    });
  const [up, down] = [rows("up"), rows("down")];
  return (
    <div class="flows">
      {up.length > 0 && <h3>Takes from</h3>}
      <ul>{up}</ul>
      {down.length > 0 && <h3>Gives to</h3>}
      <ul>{down}</ul>
    </div>
  );
}

function TaskFacts({ jobId, task }: { jobId: string; task: GraphTask }) {
  const ran = task.startMs !== null && task.endMs !== null ? task.endMs - task.startMs : null;
  const air = Math.max(5, (ran ?? 1_000) * 2);
  return (
    <>
      <dl class="row-facts narrow">
        <Fact name="State">
          <State state={task.state} />
        </Fact>
        <Fact name="Task">
          <Id id={task.taskId} />
        </Fact>
        {task.attempt > 0 && <Fact name="Attempt">{count(task.attempt)}</Fact>}
        <Fact name="Began">{task.startMs === null ? "not yet" : clock(task.startMs)}</Fact>
        <Fact name="Ran">
          <Age sinceMs={task.startMs} untilMs={task.endMs} />
        </Fact>
        <Fact name="Node">
          <Id id={task.nodeId} />
        </Fact>
        {task.actorId !== null && (
          <Fact name="Actor">
            <Id id={task.actorId} />
          </Fact>
        )}
      </dl>
      <p class="links">
        <button type="button" onClick={() => setParams({ task: task.taskId }, true)}>
          What is around it
        </button>
        <a href={links.task(task.taskId)}>
          {task.state.startsWith("PENDING") ? "Why is it waiting" : "Details"}
        </a>
        {task.startMs !== null && (
          <a
            href={links.timeline({
              job: jobId,
              from: (task.startMs - air).toFixed(3),
              to: ((task.endMs ?? task.startMs) + air).toFixed(3),
            })}
          >
            Timeline
          </a>
        )}
        <a href={links.logs({ task: task.taskId })}>Logs</a>
      </p>
    </>
  );
}

function ObjectFacts({ object }: { object: GraphObject }) {
  return (
    <>
      <dl class="row-facts narrow">
        <Fact name="Object">
          <Id id={object.objectId} />
        </Fact>
        <Fact name="Size">{object.bytes === null ? "unknown" : bytes(object.bytes)}</Fact>
        <Fact name="Made by">{object.producer === null ? "put" : <Id id={object.producer} />}</Fact>
        {object.nodes.length === 0 && <Fact name="Held by">no node's store</Fact>}
        {object.nodes.map((nodeId) => (
          <div key={nodeId}>
            <dt>
              <i class={`key node-${nodeColourIndex.value.get(nodeId) ?? 0}`} aria-hidden="true" />held by
            </dt>
            <dd>
              <Id id={nodeId} />
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

/** The longest chain, each task a bar as long as it ran. */
function CriticalPanel({ path, jobId }: { path: CriticalPathDto; jobId: string }) {
  const longest = Math.max(1, ...path.tasks.map((task) => task.runMs));
  return (
    <Aside title="Critical path" onClose={() => setParams({ critical: null })}>
      <p class="panel-text">
        {count(path.tasks.length)} tasks, each of which took a result of the one before, ran{" "}
        <strong>{duration(path.runMs)}</strong> of the {duration(path.wallMs)}{" "}
        that the chain took. No number of workers makes the job faster than that.
        <span class="muted">&nbsp;{count(path.considered)} recorded tasks were looked at.</span>
      </p>
      <ol class="chain">
        {path.tasks.slice(0, 100).map((task) => (
          <li key={task.taskId}>
            <a href={links.graph({ job: jobId, task: task.taskId, critical: "1" })}>
              <span class="clip">{task.name}</span>
              <span class="num">{duration(task.runMs)}</span>
              <span class="chain-bar">
                <i
                  class={`fn-${functionColourIndex(task.name)}`}
                  style={{ width: `${task.runMs / longest * 100}%` }}
                />
              </span>
            </a>
            {task.waitMs >= 1 && <span class="muted">after waiting {duration(task.waitMs)}</span>}
          </li>
        ))}
      </ol>
      {path.tasks.length > 100 && (
        <p class="panel-text muted">showing 100 of {count(path.tasks.length)} tasks</p>
      )}
    </Aside>
  );
}
