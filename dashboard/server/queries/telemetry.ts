/**
 * Profile, graph and timeline of jobs: answered by the process that keeps the attempts of tasks; what only the head knows, the
 * bytes that nodes hold, is put in here.
 * @module
 */
import type { GraphDto, GraphNeighbourhoodDto } from "../../api/graph.ts";
import type { TelemetryQueryName, TelemetryReader } from "../../api/tasks.ts";
import type { ClusterReader } from "../../api_types.ts";
import { NotFound, type Query, type QueryServices } from "./query.ts";

/** From this share on no processor of the cluster is idle. */
const BUSY_PERCENT = 90;

/** Pictures of all that runs come half as often while there is no processor to spare, which viewers may share with tasks. */
function pictureEveryMs({ view }: QueryServices): number {
  const { cpuPercent } = view.read("usage", view.version("usage")).data;
  return (cpuPercent.at(-1) ?? 0) < BUSY_PERCENT ? 1_000 : 2_000;
}

/** Queries that are only passed on, and how often watchers get a new answer. */
const PASSED_ON: readonly (readonly [name: TelemetryQueryName, everyMs: NonNullable<Query["everyMs"]>])[] = [
  ["profile", 1_000],
  ["graph/group", pictureEveryMs],
  ["graph/critical", 5_000],
  ["timeline/lanes", pictureEveryMs],
  ["timeline/tile", 1_000],
  ["timeline/bars", 1_000],
  ["timeline/at", 1_000],
  ["timeline/range", 1_000],
  ["timeline/export", 5_000],
];

export const TELEMETRY_QUERIES: readonly Query[] = [
  ...PASSED_ON.map(([name, everyMs]): Query => ({
    name,
    everyMs,
    run: (params, services) => telemetryOf(services).ask(name, params.toObject()),
  })),
  {
    name: "graph",
    everyMs: pictureEveryMs,
    async run(params, services): Promise<GraphDto> {
      const graph = await telemetryOf(services).ask("graph", params.toObject());
      return { ...graph, groups: withHolders(graph.groups, services.view) };
    },
  },
  {
    name: "graph/task",
    async run(params, services): Promise<GraphNeighbourhoodDto> {
      const around = await telemetryOf(services).ask("graph/task", params.toObject());
      const objects = around.objects.map((object) => {
        const held = services.view.holders(object.objectId);
        return held === null ? object : { ...object, nodes: held.nodes, bytes: held.bytes };
      });
      return { ...around, objects };
    },
  },
];

/** How many bytes of each group's results the nodes hold. */
function withHolders(groups: GraphDto["groups"], view: ClusterReader): GraphDto["groups"] {
  const held = new Map(view.read("objects", null).data.rows.map((row) => [row.producer, row.nodes]));
  return groups.map((group) => {
    const nodes = Object.entries(held.get(group.name) ?? {}).map(([node, { bytes }]) => [node, bytes]);
    return { ...group, nodes: { ...group.nodes, ...Object.fromEntries(nodes) as Record<string, number> } };
  });
}

function telemetryOf({ telemetry }: QueryServices): TelemetryReader {
  if (telemetry === undefined) throw new NotFound("this cluster keeps no records of tasks");
  return telemetry as TelemetryReader;
}
