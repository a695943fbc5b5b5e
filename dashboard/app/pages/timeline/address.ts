/**
 * The timeline's part of the address: the stretch in view and the switches, read at the beginning, written while they change.
 * @module
 */
import { effect } from "@preact/signals";
import type { TimelineAtDto, TimelineBarsDto } from "../../../api/timeline.ts";
import type { TaskRowDto } from "../../../api/tasks.ts";
import { ask, question } from "../../models/query.ts";
import { route, setParams } from "../../models/route.ts";
import type { TimelineState } from "./state.ts";
import type { TimelineCanvas } from "./view.ts";

/** How much more than the task itself is shown around it. */
const AIR = 2;

const WRITE_MS = 250;

/** Range and switches from the address, and back into it when the viewer changes them. */
export function followAddress(
  own: TimelineState,
  jobId: string,
  originMs: number,
  view: TimelineCanvas,
): () => void {
  const { params } = route.peek();
  const number = (name: string): number | null => {
    const value = Number(params.get(name) || NaN);
    return Number.isFinite(value) ? value : null;
  };
  const [from, to] = [number("from"), number("to")];
  if (from !== null && to !== null && to > from) {
    own.view.value = { from: from - originMs, to: to - originMs };
    own.following.value = "no";
  } else if (params.get("follow") === "1") own.following.value = "end";
  else if (params.get("task") !== null) void lookAtTask(own, jobId, originMs, params.get("task")!);
  if (params.get("idle") === "0") own.isSqueezed.value = true;
  const pins = (params.get("pin") ?? "").split(",").filter((text) => /^\d+$/.test(text)).map(Number);
  if (pins.length > 0) own.pins.value = new Set(pins);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    const { scene } = view;
    if (route.peek().page !== "timeline" || scene === null) return;
    const isFree = own.following.peek() === "no";
    const time = (squeezed: number): string => (scene.warp.time(squeezed) + originMs).toFixed(3);
    setParams({
      // It led here, once.
      task: null,
      from: isFree ? time(scene.view.from) : null,
      to: isFree ? time(scene.view.to) : null,
      follow: own.following.peek() === "end" ? "1" : null,
      idle: own.isSqueezed.peek() ? "0" : null,
      pin: own.pins.peek().size === 0 ? null : [...own.pins.peek()].join(),
    });
  };
  const end = effect(() => {
    for (const each of [own.view, own.following, own.isSqueezed, own.pins]) each.value;
    clearTimeout(timer);
    timer = setTimeout(write, WRITE_MS);
  });
  return () => {
    clearTimeout(timer);
    end();
  };
}

/** Shows a task, with what ran around it, and chooses its bar. A task that never began, or is forgotten, changes nothing. */
async function lookAtTask(
  own: TimelineState,
  jobId: string,
  originMs: number,
  taskId: string,
): Promise<void> {
  try {
    const { rows } = await ask<{ rows: readonly TaskRowDto[] }>(
      question("tasks", { filter: `taskId=${taskId}`, limit: 1 }),
    );
    const row = rows[0];
    if (row === undefined || row.startMs === null) return;
    const endMs = row.endMs ?? Date.now();
    const air = Math.max(1, (endMs - row.startMs) * AIR);
    own.view.value = { from: row.startMs - originMs - air, to: endMs - originMs + air };
    own.following.value = "no";
    const found = await ask<TimelineBarsDto>(
      question("timeline/bars", { job: jobId, from: row.startMs, to: endMs }),
    );
    const bar = found.bars?.find((each) => each.taskId === taskId && each.attempt === row.attempt);
    if (bar === undefined) return;
    const atMs = (bar.startMs + (bar.endMs ?? endMs)) / 2;
    own.chosen.value = (await ask<TimelineAtDto>(
      question("timeline/at", { job: jobId, lane: bar.lane, atMs }),
    )).bar;
  } catch {
    // The page shows the whole job, as without a task.
  }
}
