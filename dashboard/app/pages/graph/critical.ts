/**
 * The critical path: asked for when it is wanted, again at most every few seconds while the job goes on, and as marks on the
 * graph.
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { CriticalPathDto, GraphDto } from "../../../api/graph.ts";
import { ask, question } from "../../models/query.ts";
import type { CriticalMarks } from "./picture.ts";

const RENEW_MS = 5_000;

/** @param jobId null when it is not wanted. @param version of the graph: asked again when it changed. */
export function useCriticalPath(jobId: string | null, version: number): CriticalPathDto | null {
  const [answer, setAnswer] = useState<CriticalPathDto | null>(null);
  const askedMs = useRef(-Infinity);
  useEffect(() => {
    if (jobId === null) {
      askedMs.current = -Infinity;
      setAnswer(null);
      return;
    }
    const waitMs = Math.max(0, askedMs.current + RENEW_MS - performance.now());
    const timer = setTimeout(() => {
      askedMs.current = performance.now();
      // Without an answer the marks of before stay.
      ask<CriticalPathDto>(question("graph/critical", { job: jobId })).then(setAnswer, () => {});
    }, waitMs);
    return () => clearTimeout(timer);
  }, [jobId, version]);
  return jobId === null ? null : answer;
}

/** Which tasks, groups and arrows are on it. */
export function criticalMarks(path: CriticalPathDto, graph: GraphDto | null): CriticalMarks {
  const groupOf = new Map(graph?.groups.map((group) => [group.name, group.id]));
  const groups = path.tasks.map((task) => groupOf.get(task.name) ?? task.name);
  const edges = new Set<string>();
  for (let i = 1; i < groups.length; i++) edges.add(`${groups[i - 1]}>${groups[i]}`);
  return { tasks: new Set(path.tasks.map((task) => task.taskId)), groups: new Set(groups), edges };
}
