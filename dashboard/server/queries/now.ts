/**
 * The Now page's queries: what needs attention, and what every worker slot does.
 * @module
 */
import type { NodeSlots, SlotCell, SlotsDto } from "../../api/now.ts";
import { attentionOf } from "./attention.ts";
import type { Query, QueryServices } from "./query.ts";

/** Slots that are shown. */
const SLOTS_MAX = 600;

export const NOW_QUERIES: readonly Query[] = [
  {
    name: "attention",
    run: (_, { view }) => ({
      items: attentionOf({
        cluster: view.read("cluster", null).data,
        nodes: view.read("nodes", null).data.rows,
        functions: view.read("functions", null).data.rows,
        failures: view.read("failures", null).data.rows,
        actors: view.read("actors", null).data.rows,
        jobs: view.read("jobs", null).data.rows,
      }),
    }),
  },
  { name: "slots", run: async (_, services) => await slotsOf(services) },
];

async function slotsOf({ view, entities, state = view.state }: QueryServices): Promise<SlotsDto> {
  const [workers, tasks] = await Promise.all([
    state.list("workers", { filters: ["state!=DEAD"], limit: SLOTS_MAX }),
    state.list("tasks", { filters: ["state=RUNNING"], limit: SLOTS_MAX }),
  ]);
  const running = new Map<string, { name: string; taskId: string }>();
  for (const row of tasks.rows) {
    if (row["workerId"] === null) continue;
    running.set(String(row["workerId"]), { name: String(row["name"]), taskId: String(row["taskId"]) });
  }
  const classes = new Map(view.read("actors", null).data.rows.map((row) => [row.actorId, row.className]));
  const names: string[] = [];
  const indexOf = (name: string): number => {
    const at = names.indexOf(name);
    return at >= 0 ? at : names.push(name) - 1;
  };
  const cellOf = (row: Record<string, unknown>): SlotCell => {
    const workerId = String(row["workerId"]);
    const task = running.get(workerId);
    const actorId = row["actorId"] === null ? null : String(row["actorId"]);
    const name = task?.name ?? entities?.worker(workerId)?.work ??
      (actorId === null ? undefined : classes.get(actorId));
    const state = row["state"] === "ACTOR"
      ? "ACTOR"
      : row["state"] === "LEASED" || task !== undefined
      ? "BUSY"
      : row["state"];
    return {
      workerId,
      state: state as SlotCell["state"],
      name: name === undefined ? null : indexOf(name),
      id: task?.taskId ?? actorId,
    };
  };
  const byNode = new Map<string, SlotCell[]>();
  // Oldest first: a slot keeps its place.
  for (const row of [...workers.rows].reverse()) {
    const nodeId = String(row["nodeId"]);
    (byNode.get(nodeId) ?? byNode.set(nodeId, []).get(nodeId)!).push(cellOf(row));
  }
  const nodes: NodeSlots[] = view.read("nodes", null).data.rows.filter((node) => node.state !== "DEAD")
    .sort((a, b) => a.startedMs - b.startedMs)
    .map(({ nodeId, hostname }) => ({ nodeId, hostname, cells: byNode.get(nodeId) ?? [] }));
  return { nodes, names, left: workers.total - workers.rows.length };
}
