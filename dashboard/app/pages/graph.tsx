/**
 * The task graph, live: all functions of a job, one of them opened to its tasks, or what is around one task.
 * @module
 */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import type { CriticalPathDto, GraphDto, GraphGroupDto, GraphNeighbourhoodDto } from "../../api/graph.ts";
import { JobPicker, usePickedJob } from "../components/job_picker.tsx";
import { Failed, Loading } from "../components/states.tsx";
import { nodes } from "../models/cluster.ts";
import { count, shortId } from "../models/format.ts";
import { question } from "../models/query.ts";
import { route, setParams } from "../models/route.ts";
import { useFewFrames, useTopics } from "../models/subscriptions.ts";
import { criticalMarks, useCriticalPath } from "./graph/critical.ts";
import { useFirstAnswer } from "./graph/first_answer.ts";
import { GraphInput } from "./graph/input.ts";
import { GraphLegend, GraphTip } from "./graph/legend.tsx";
import { GraphPanel } from "./graph/panel.tsx";
import { GroupRates } from "./graph/rates.ts";
import { findNodes, type GraphScene, groupScene, taskScene } from "./graph/scene.ts";
import { createGraphState, type GraphState } from "./graph/state.ts";
import { GraphTable } from "./graph/table.tsx";
import { GraphCanvas } from "./graph/view.ts";

/** Tasks of an opened group: with the groups around (200 at most) no more than 2,000 nodes are ever laid out. */
const GROUP_TASKS_MAX = 1_800;
const HOPS = 2;

export function GraphPage() {
  useTopics("nodes");
  useFewFrames();
  const picked = usePickedJob();
  const task = route.value.params.get("task");
  return (
    <section id="graph" class="panel canvas-page" aria-labelledby="graph-title">
      <h2 id="graph-title" class="hidden">Task graph</h2>
      {picked.jobId === null
        ? (picked.isKnown
          ? (
            <p class="empty">
              Functions and the data between them appear here as soon as a program calls{" "}
              <code>remote()</code>.
            </p>
          )
          : <Loading />)
        : (
          <JobGraph
            key={picked.jobId}
            jobId={picked.jobId}
            taskId={task}
            picker={<JobPicker picked={picked} forget={["group", "task", "critical"]} />}
          />
        )}
    </section>
  );
}

interface JobGraphProps {
  readonly jobId: string;
  readonly taskId: string | null;
  readonly picker: ComponentChildren;
}

function JobGraph({ jobId, taskId, picker }: JobGraphProps) {
  const groupId = route.value.params.get("group");
  const wantsCritical = route.value.params.get("critical") === "1";
  const own = useMemo(createGraphState, []);
  const rates = useMemo(() => new GroupRates(), []);
  const graph = useFirstAnswer<GraphDto>(question("graph", { job: jobId }));
  const group = useFirstAnswer<GraphGroupDto>(
    groupId === null || taskId !== null
      ? null
      : question("graph/group", { job: jobId, group: groupId, limit: GROUP_TASKS_MAX }),
  );
  const around = useFirstAnswer<GraphNeighbourhoodDto>(
    taskId === null ? null : question("graph/task", { id: taskId, hops: HOPS }),
  );
  const critical = useCriticalPath(wantsCritical ? jobId : null, graph.data?.version ?? 0);
  const dto = graph.data;
  const opened = group.data?.group === groupId ? group.data : null;
  const scene = useMemo(
    (): GraphScene | null =>
      taskId !== null
        ? (around.data === null ? null : taskScene(around.data))
        : dto === null
        ? null
        : groupScene(dto, opened),
    [dto, opened, around.data, taskId],
  );
  if (dto !== null) rates.update(dto.groups, performance.now());
  const failure = taskId !== null ? around.error : graph.error ?? group.error;
  return (
    <>
      <Tools
        own={own}
        scene={scene}
        picker={picker}
        note={noteOf(dto, opened, taskId === null ? null : around.data)}
        isOpen={groupId !== null || taskId !== null}
        wantsCritical={wantsCritical}
      />
      {failure !== null && <Failed message={failure.message} />}
      {scene === null
        ? (failure === null && <Loading rows={8} />)
        : scene.nodes.length === 0
        ? <p class="empty">This job has called nothing yet: its functions appear with its first task.</p>
        : (
          <>
            <div class={`graph-view ${own.selected.value === null && critical === null ? "" : "with-panel"}`}>
              <GraphSurface own={own} scene={scene} graph={dto} critical={critical} rates={rates} />
              <GraphPanel jobId={jobId} own={own} scene={scene} critical={critical} rates={rates} />
            </div>
            <GraphLegend isTask={taskId !== null} />
            <GraphTable own={own} scene={scene} rates={rates} graph={dto} opened={opened} />
          </>
        )}
    </>
  );
}

/** What is shown of how much. */
function noteOf(
  graph: GraphDto | null,
  opened: GraphGroupDto | null,
  around: GraphNeighbourhoodDto | null,
): string {
  if (around !== null) {
    const { tasks, objects, total, taskId } = around;
    const shown = tasks.length < total
      ? `showing ${count(tasks.length)} of ${count(total)} tasks`
      : `${count(tasks.length)} ${tasks.length === 1 ? "task" : "tasks"}`;
    return `${shown}, ${count(objects.length)} ${objects.length === 1 ? "object" : "objects"} around ${
      shortId(taskId)
    }`;
  }
  if (graph === null) return "";
  const groups = graph.shown < graph.total
    ? `showing ${count(graph.shown)} of ${count(graph.total)} groups`
    : `${count(graph.total)} ${graph.total === 1 ? "group" : "groups"}`;
  if (opened === null) return groups;
  const of = graph.groups.find((each) => each.id === opened.group);
  const total = of === undefined ? opened.total : Math.max(
    opened.total,
    of.finished + of.failed + of.running + of.submitted + of.pendingArgs + of.pendingNode,
  );
  return opened.shown < total
    ? `${groups} · showing ${count(opened.shown)} of ${count(total)} tasks of ${opened.name}`
    : `${groups} · ${count(total)} tasks of ${opened.name}`;
}

interface ToolsProps {
  readonly own: GraphState;
  readonly scene: GraphScene | null;
  readonly picker: ComponentChildren;
  readonly note: string;
  readonly isOpen: boolean;
  readonly wantsCritical: boolean;
}

function Tools({ own, scene, picker, note, isOpen, wantsCritical }: ToolsProps) {
  return (
    <div class="canvas-tools" role="toolbar" aria-label="Task graph">
      {picker}
      <span class="note" id="graph-note">{note}</span>
      <span class="spring" />
      {scene !== null && <Search own={own} scene={scene} />}
      <button
        type="button"
        aria-pressed={wantsCritical}
        title="The longest chain of tasks, each of which took a result of the one before"
        onClick={() => setParams({ critical: wantsCritical ? null : "1" })}
      >
        Critical path
      </button>
      {isOpen && (
        <button type="button" onClick={() => closeAll(own)}>
          All functions
        </button>
      )}
      <button type="button" title="F" disabled={own.isFitted.value} onClick={() => own.isFitted.value = true}>
        Fit
      </button>
    </div>
  );
}

function closeAll(own: GraphState): void {
  own.selected.value = null;
  own.isFitted.value = true;
  setParams({ group: null, task: null }, true);
}

/** Go to the node that is meant: Enter goes to the next that fits. */
function Search({ own, scene }: { own: GraphState; scene: GraphScene }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const found = findNodes(scene, text);
  const goTo = (index: number): void => {
    const node = found[index % Math.max(1, found.length)];
    if (node === undefined) return;
    own.selected.value = { key: node.key, taskId: node.kind === "task" ? node.key : null };
    wanted.dispatchEvent(new CustomEvent("goto", { detail: node.key }));
  };
  return (
    <>
      <input
        type="search"
        placeholder="Find a function or id"
        aria-label="Find a function or id"
        value={text}
        list="graph-names"
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          goTo(at);
          setAt(at + 1);
        }}
      />
      <datalist id="graph-names">
        {scene.nodes.slice(0, 200).map((node) => <option key={node.key} value={node.name} />)}
      </datalist>
      {text !== "" && <span class="note">{count(found.length)} found</span>}
    </>
  );
}

/** Carries the search's and the table's wishes to the canvas. */
export const wanted: EventTarget = new EventTarget();

interface SurfaceProps {
  readonly own: GraphState;
  readonly scene: GraphScene;
  readonly graph: GraphDto | null;
  readonly critical: CriticalPathDto | null;
  readonly rates: GroupRates;
}

function GraphSurface({ own, scene, graph, critical, rates }: SurfaceProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  const view = useRef<GraphCanvas | null>(null);
  const data = {
    scene,
    critical: critical === null ? null : criticalMarks(critical, graph),
    rateOf: (key: string) => rates.of(key),
    nodeName,
  };
  useEffect(() => {
    const canvas = ref.current!;
    const made = view.current = new GraphCanvas(canvas, own);
    const input = new GraphInput(canvas, made, own, {
      open: (key, taskId) => openNode(own, made, key, taskId),
      close: () => closeAll(own),
    });
    made.setData(data);
    const goTo = (event: Event): void => made.goTo((event as CustomEvent<string>).detail);
    wanted.addEventListener("goto", goTo);
    const { group, task } = Object.fromEntries(route.peek().params);
    const start = task ?? group;
    if (start !== undefined && task === undefined) made.goTo(start);
    return () => {
      wanted.removeEventListener("goto", goTo);
      input.stop();
      made.stop();
    };
  }, []);
  // With the words, not a frame later.
  useLayoutEffect(() => view.current?.setData(data));
  return (
    <div class="graph">
      <canvas
        ref={ref}
        tabIndex={0}
        role="application"
        aria-label={`Task graph: ${scene.nodes.length} nodes, ${scene.edges.length} arrows. Arrow keys move, plus and minus zoom, F fits, N and P go from node to node, U and J follow the arrows, Enter opens. The table below says the same.`}
        data-nodes={scene.nodes.length}
      />
      <GraphTip own={own} scene={scene} nodeName={nodeName} />
    </div>
  );
}

/** A group opens to its tasks; a task leads to what is around it. */
function openNode(own: GraphState, view: GraphCanvas, key: string, taskId: string | null): void {
  const node = view.nodes.find((each) => each.key === key);
  if (node === undefined) return;
  if (taskId !== null) {
    own.selected.value = { key: taskId, taskId };
    own.isFitted.value = true;
    setParams({ task: taskId }, true);
  } else if (node.kind === "group" && node.group.type !== "put") {
    own.selected.value = { key, taskId: null };
    setParams({ group: key, task: null }, true);
    view.goTo(key);
  }
}

function nodeName(nodeId: string): string {
  const row = nodes.peek()?.rows.find((node) => node.nodeId === nodeId);
  return row?.hostname ?? shortId(nodeId);
}
