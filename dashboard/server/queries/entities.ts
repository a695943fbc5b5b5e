/**
 * Queries of the pages of objects, actors, nodes, workers and placement groups. What asks the nodes (who holds what, why)
 * is asked less often than what is at hand.
 * @module
 */
import type { ActorDto } from "../../api_types.ts";
import type {
  ActorPageDto,
  ActorsOverviewDto,
  GroupDto,
  GroupPageDto,
  NodePageDto,
  NodesDto,
  ObjectRowDto,
  ObjectsDto,
  PageOf,
  WorkerDto,
} from "../../api/entities.ts";
import { NotFound, type Query, type QueryParams, type QueryServices } from "./query.ts";

/** What the view keeps for these pages. */
export interface EntityReader {
  objects(): ObjectsDto;
  object(id: string): ObjectRowDto | null;
  actorsOverview(): ActorsOverviewDto;
  /** @throws RangeError for a query that makes no sense. */
  actors(query: {
    readonly filters: readonly string[];
    readonly text: string | null;
    readonly sort: string;
    readonly descending: boolean;
    readonly limit: number;
    readonly after: string | null;
  }): Promise<PageOf<ActorDto>>;
  actor(id: string): ActorPageDto | null;
  nodes(): NodesDto;
  node(id: string): NodePageDto | null;
  worker(id: string): WorkerDto | null;
  groups(): PageOf<GroupDto>;
  group(id: string): GroupPageDto | null;
}

/** Rows of a page of actors when nobody says. */
const ACTORS_LIMIT = 50;
/** Objects of one answer that names holders. */
const HOLDERS_LIMIT = 200;
const HOLDERS_LIMIT_MAX = 2_000;
/** Between two questions to all nodes and processes, for all who watch. */
const ASK_NODES_MS = 3_000;

export const ENTITY_QUERIES: readonly Query[] = [
  { name: "objects/overview", run: (_, services) => entitiesOf(services).objects() },
  byId("objects/one", "object", (entities, id) => entities.object(id)),
  {
    // Asks all nodes and their processes: what they hold, and who holds it there.
    name: "objects/holders",
    everyMs: ASK_NODES_MS,
    run(params, { memory }): unknown {
      if (memory === undefined) throw new NotFound("nobody here knows who holds objects");
      const limit = params.number("limit", HOLDERS_LIMIT, 1, HOLDERS_LIMIT_MAX);
      const id = params.get("id");
      return memory(id === null ? { limit } : { limit, id: checked(id, /^[oa]-/, "an object or an actor") });
    },
  },
  { name: "actors/overview", run: (_, services) => entitiesOf(services).actorsOverview() },
  {
    name: "actors/page",
    run: (params, services) =>
      entitiesOf(services).actors({
        filters: params.all("filter"),
        text: params.get("text"),
        sort: params.get("sort") ?? "updatedMs",
        descending: params.get("order") !== "ascending",
        limit: params.number("limit", ACTORS_LIMIT),
        after: params.get("after"),
      }),
  },
  byId("actors/one", "actor", (entities, id) => entities.actor(id)),
  { name: "nodes/overview", run: (_, services) => entitiesOf(services).nodes() },
  byId("nodes/one", "node", (entities, id) => entities.node(id)),
  byId("workers/one", "worker", (entities, id) => entities.worker(id)),
  { name: "groups/overview", run: (_, services) => entitiesOf(services).groups() },
  byId("groups/one", "placement group", (entities, id) => entities.group(id)),
];

function byId(name: string, what: string, read: (entities: EntityReader, id: string) => unknown): Query {
  return {
    name,
    run(params: QueryParams, services: QueryServices): unknown {
      const id = params.required("id");
      const found = read(entitiesOf(services), id);
      if (found !== null) return found;
      throw new NotFound(
        `no ${what} ${JSON.stringify(id.slice(0, 80))} is known: it is over and was forgotten, or never was`,
      );
    },
  };
}

function entitiesOf({ entities }: QueryServices): EntityReader {
  if (entities === undefined) throw new NotFound("this server does not know what is in the cluster");
  return entities;
}

function checked(id: string, form: RegExp, what: string): string {
  if (form.test(id)) return id;
  throw new RangeError(`${JSON.stringify(id.slice(0, 80))} is no id of ${what}`);
}
