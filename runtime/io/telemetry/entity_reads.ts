/**
 * Answers for the pages of objects, actors, nodes and placement groups, out of what the view keeps up to date. It asks nobody.
 * @module
 */
import type { ActorDto, NodeDto } from "../../../dashboard/api_types.ts";
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
  StorePartsDto,
  WorkerDto,
} from "../../../dashboard/api/entities.ts";
import type { ObjectId } from "../../common/ids.ts";
import { type ActorPageQuery, pageOfActors } from "./actor_pages.ts";
import type { WorkerRow } from "./cluster_rows.ts";
import type { ClusterView } from "./cluster_view.ts";
import { placementGroupRow } from "./placement_group_rows.ts";

/** Rows of parts of one answer. */
const STORES_MAX = 64;
const GROUPS_MAX = 100;
const TRANSFERS_MAX = 400;
const LOSSES_MAX = 20;
const EVENTS_MAX = 100;
const WORKERS_MAX = 300;
const ACTORS_INSIDE_MAX = 100;
/** Pages of actors that are remembered until an actor changes. */
const PAGES_KEPT = 16;

/** See the module's header. */
export class EntityReads {
  readonly #view: ClusterView;
  readonly #now: () => number;
  /** Answers of `actors`, those that were made last at the end. */
  readonly #pages = new Map<string, { readonly version: number; readonly page: PageOf<ActorDto> }>();

  constructor(view: ClusterView, now: () => number = Date.now) {
    this.#view = view;
    this.#now = now;
  }

  objects(): ObjectsDto {
    const { objects, transfers } = this.#view;
    const stores = this.#nodes().filter(({ state }) => state !== "DEAD").map((node) => this.#store(node));
    const { rows: groups, total: groupsTotal } = this.#view.read("objects", null).data;
    const pairs = transfers.rows(this.#now());
    return {
      objects: objects.objects.size,
      bytes: objects.bytes,
      stores: stores.slice(0, STORES_MAX),
      storesTotal: stores.length,
      groups: [...groups].sort((a, b) => b.bytes - a.bytes || (a.producer < b.producer ? -1 : 1))
        .slice(0, GROUPS_MAX),
      groupsTotal,
      transfers: pairs.slice(0, TRANSFERS_MAX),
      transfersTotal: pairs.length,
      lost: objects.losses.lost,
      rebuilt: objects.losses.rebuilt,
      losses: objects.losses.newest(LOSSES_MAX),
      untracked: objects.untracked,
    };
  }

  /** One stored object; null for one without a copy. */
  object(id: string): ObjectRowDto | null {
    const object = this.#view.objects.objects.get(id as ObjectId);
    const loss = this.#view.objects.losses.of(id);
    if (object === undefined && loss === null) return null;
    return {
      objectId: id,
      bytes: object?.bytes ?? 0,
      producer: object?.group ?? loss!.producer,
      nodes: [...object?.nodes ?? []],
      spilled: [...object?.spilled ?? []],
      inFlight: [...object?.inFlight ?? []],
      primary: object?.primary ?? "",
      owner: object?.owner ?? "",
      home: object?.home ?? "",
      isError: object?.isError ?? false,
      loss,
    };
  }

  actorsOverview(): ActorsOverviewDto {
    return this.#view.actors.index.overview();
  }

  /** While no actor changes, nobody looks at all of them again. @throws {RangeError} for a query that makes no sense. */
  async actors(query: ActorPageQuery): Promise<PageOf<ActorDto>> {
    const { actors } = this.#view;
    const key = JSON.stringify(query);
    const known = this.#pages.get(key);
    const { version } = actors;
    if (known?.version === version) return known.page;
    const page = await pageOfActors(actors, query);
    this.#pages.delete(key);
    this.#pages.set(key, { version, page });
    if (this.#pages.size > PAGES_KEPT) this.#pages.delete(this.#pages.keys().next().value!);
    return page;
  }

  /** Null for one that is not known. */
  actor(id: string): ActorPageDto | null {
    const { actors, workers } = this.#view;
    const facts = actors.facts(id);
    if (facts === undefined) return null;
    const { status } = facts;
    const { events, dropped } = actors.history.of(status, facts);
    return {
      actor: actors.row(id)!,
      events,
      eventsDropped: dropped,
      samples: actors.samples.of(id),
      worker: status.workerId === null ? null : workers.figures.get(status.workerId) ?? null,
      isLight: status.shared === true,
    };
  }

  nodes(): NodesDto {
    const nodes = this.#nodes();
    return {
      nodes: nodes.slice(0, STORES_MAX * 4),
      nodesTotal: nodes.length,
      stores: nodes.filter(({ state }) => state !== "DEAD").slice(0, STORES_MAX * 4)
        .map((node) => this.#store(node)),
      events: this.#view.nodes.history.newest(EVENTS_MAX),
    };
  }

  node(id: string): NodePageDto | null {
    const { nodes, workers, transfers } = this.#view;
    const node = nodes.row(id);
    if (node === null) return null;
    const here = [...workers.rows.values()].filter(({ nodeId }) => nodeId === id).reverse();
    // Those that live first, the newest of each kind first.
    here.sort((a, b) => Number(a.state === "DEAD") - Number(b.state === "DEAD"));
    return {
      node,
      store: this.#store(node),
      workers: here.slice(0, WORKERS_MAX).map((worker) => this.#worker(worker)),
      workersTotal: here.length,
      demand: nodes.demand(id),
      events: nodes.history.of(id),
      transfers: transfers.rows(this.#now(), id).slice(0, STORES_MAX),
    };
  }

  worker(id: string): WorkerDto | null {
    const worker = this.#view.workers.rows.get(id);
    return worker === undefined ? null : this.#worker(worker);
  }

  groups(): PageOf<GroupDto> {
    const { placementGroups } = this.#view;
    const rows = [...placementGroups.records()];
    const rank = (state: string): number => (state === "REMOVED" ? 2 : state === "CREATED" ? 1 : 0);
    rows.sort((a, b) => rank(a.state) - rank(b.state) || b.createdMs - a.createdMs);
    return {
      rows: rows.slice(0, GROUPS_MAX * 2).map(placementGroupRow),
      total: rows.length,
      next: null,
      dropped: placementGroups.dropped,
    };
  }

  group(id: string): GroupPageDto | null {
    const { placementGroups, actors, workers } = this.#view;
    const record = placementGroups.record(id);
    if (record === null) return null;
    const inside = [...workers.rows.values()].filter(({ state, bundle }) =>
      state !== "DEAD" && bundle?.groupId === id
    );
    const living = [...actors.index.inGroup(id)]
      .filter((actorId) => actors.facts(actorId)?.status.state !== "DEAD");
    return {
      group: placementGroupRow(record),
      workers: inside.slice(0, WORKERS_MAX).map((worker) => this.#worker(worker)),
      actors: living.slice(0, ACTORS_INSIDE_MAX).map((actorId) => actors.row(actorId)!),
      actorsTotal: living.length,
    };
  }

  /** Living ones first, the head's first of all; then the order in which they joined. */
  #nodes(): NodeDto[] {
    const rank = (node: NodeDto): number => (node.state === "DEAD" ? 2 : node.isHeadNode ? 0 : 1);
    return this.#view.nodes.rows().sort((a, b) =>
      rank(a) - rank(b) || a.startedMs - b.startedMs || (a.nodeId < b.nodeId ? -1 : 1)
    );
  }

  #store({ nodeId, storeBytes, storeUsedBytes }: NodeDto): StorePartsDto {
    const { bytes, objects, inFlight } = this.#view.objects.parts.of(nodeId);
    return {
      nodeId,
      capacityBytes: storeBytes,
      usedBytes: storeUsedBytes,
      primaryBytes: bytes.primary,
      cachedBytes: bytes.cached,
      spilledBytes: bytes.spilled,
      inFlightBytes: bytes.inFlight,
      objects,
      inFlight,
    };
  }

  #worker({ bundle, work, ...worker }: WorkerRow): WorkerDto {
    const figures = this.#view.workers.figures.get(worker.workerId);
    return {
      workerId: worker.workerId,
      nodeId: worker.nodeId,
      pid: worker.pid,
      runtime: worker.runtime,
      state: worker.state,
      jobId: worker.jobId,
      actorId: worker.actorId,
      work: work ?? null,
      placementGroupId: bundle?.groupId ?? null,
      bundleIndex: bundle?.index ?? null,
      startedMs: worker.startedMs,
      endedMs: worker.endedMs,
      exitDetail: worker.exitDetail,
      rssBytes: figures?.rssBytes ?? null,
      cpuPercent: figures?.cpuPercent ?? null,
    };
  }
}
