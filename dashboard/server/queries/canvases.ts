/**
 * What graph and timeline are drawn from: the telemetry process answers.
 * @module
 */
import { NotFound, type Query } from "./query.ts";

const NAMES: readonly string[] = [
  "graph",
  "graph/group",
  "graph/task",
  "graph/critical",
  "timeline/lanes",
  "timeline/tile",
  "timeline/bars",
  "timeline/at",
  "timeline/range",
];

export const CANVAS_QUERIES: readonly Query[] = NAMES.map((name) => ({
  name,
  run(params, { telemetry }): unknown {
    if (telemetry === undefined) throw new NotFound("this cluster keeps no records of tasks");
    return telemetry.ask(name, params.toObject());
  },
}));
