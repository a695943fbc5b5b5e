/**
 * What the graph's shapes and colours mean, and what is under the pointer.
 * @module
 */
import { bytes, count, duration, shortId } from "../../models/format.ts";
import { type GraphScene, heldOf, openOf, totalOf } from "./scene.ts";
import type { GraphState } from "./state.ts";

export function GraphLegend({ isTask }: { isTask: boolean }) {
  return (
    <p class="legend">
      <span>
        <i class="shape box" aria-hidden="true" />
        {isTask ? "task" : "function"}
      </span>
      {!isTask && (
        <span>
          <i class="shape stack" aria-hidden="true" />actor calls
        </span>
      )}
      <span>
        <i class="shape pill" aria-hidden="true" />
        {isTask ? "object, a square for each machine that holds it" : "values that were put"}
      </span>
      <span>
        <i class="key finished" aria-hidden="true" />finished
      </span>
      <span>
        <i class="key running" aria-hidden="true" />running
      </span>
      <span>
        <i class="key waiting" aria-hidden="true" />waiting
      </span>
      <span>
        <i class="key failed" aria-hidden="true" />failed
      </span>
      <span class="hint">
        Wheel and drag move · double click or <kbd>Enter</kbd> opens · <kbd>N</kbd> <kbd>P</kbd> next,{" "}
        <kbd>U</kbd> <kbd>J</kbd> along the arrows
      </span>
    </p>
  );
}

interface TipProps {
  readonly own: GraphState;
  readonly scene: GraphScene;
  readonly nodeName: (nodeId: string) => string;
}

export function GraphTip({ own, scene, nodeName }: TipProps) {
  const over = own.hovered.value;
  const node = over === null ? undefined : scene.nodes.find((each) => each.key === over.key);
  if (over === null || node === undefined) return null;
  let title = node.name, lines: string[];
  const task = node.kind === "task"
    ? node.task
    : node.kind === "cloud"
    ? node.cloud.dots.find((dot) => dot.task.taskId === over.taskId)?.task
    : undefined;
  if (task !== undefined) {
    title = task.name;
    const ran = task.startMs === null
      ? ""
      : task.endMs === null
      ? "runs"
      : `ran ${duration(task.endMs - task.startMs)}`;
    lines = [
      shortId(task.taskId),
      task.state.toLowerCase().replaceAll("_", " "),
      [ran, task.nodeId === null ? "" : `on ${nodeName(task.nodeId)}`].filter((part) => part !== "").join(
        " ",
      ),
    ];
  } else if (node.kind === "object") {
    const { object } = node;
    lines = [
      object.bytes === null ? "size unknown" : bytes(object.bytes),
      object.nodes.length === 0
        ? "held by no node's store"
        : `held by ${object.nodes.map(nodeName).join(", ")}`,
    ];
  } else if (node.kind === "task") lines = [];
  else {
    const { group } = node;
    lines = [
      `${count(group.finished)} finished, ${count(group.failed)} failed, ${count(group.running)} running`,
      `${count(openOf(group) - group.running)} waiting, ${count(totalOf(group))} in all`,
      heldOf(group) === 0 ? "" : `${bytes(heldOf(group))} held`,
    ];
  }
  return (
    <div class="tip" style={{ left: `${Math.max(8, over.x + 16)}px`, top: `${over.y + 16}px` }}>
      <strong>{title}</strong>
      {lines.filter((line) => line !== "").map((line) => <div key={line} class="muted">{line}</div>)}
    </div>
  );
}
