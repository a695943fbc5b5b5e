/**
 * What the pages of objects, actors, nodes and placement groups are told, as types: rows and pictures that the view keeps up
 * to date as things happen, so that an answer costs little. Types only.
 *
 * Times are milliseconds since the epoch, durations are milliseconds, sizes are bytes.
 * @module
 */
import type { ActorDto, NodeDto, ObjectGroupDto } from "../api_types.ts";

/** Rows of a page, and how many there are in all. */
export interface PageOf<Row> {
  readonly rows: readonly Row[];
  /** Rows that the filter lets through. */
  readonly total: number;
  /** Pass it as `after` for the rows that follow; null at the end. */
  readonly next: string | null;
  /** Rows of this kind that are no longer remembered. */
  readonly dropped: number;
}

/** A node's object store. The parts are bytes of complete copies but for `inFlightBytes`. */
export interface StorePartsDto {
  readonly nodeId: string;
  readonly capacityBytes: number;
  /** As the node itself counts: ranges that are taken, and small objects in its agent's memory. */
  readonly usedBytes: number;
  /** In memory, the copies that must not be lost. */
  readonly primaryBytes: number;
  /** In memory, further copies, which give way when room is needed. */
  readonly cachedBytes: number;
  /** On disk alone. */
  readonly spilledBytes: number;
  /** On their way to the node. */
  readonly inFlightBytes: number;
  readonly objects: number;
  readonly inFlight: number;
}

/** Bytes that went from one node's store to another's; from a node to itself: from its disk back into memory. */
export interface TransferDto {
  readonly from: string;
  readonly to: string;
  /** Since the head began, for as long as both are remembered. */
  readonly bytes: number;
  /** Finished ones. An object that comes from several holders is several. */
  readonly transfers: number;
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
}

/** An object whose last copy was lost. */
export interface LossDto {
  readonly atMs: number;
  readonly objectId: string;
  readonly producer: string;
  readonly reason: string;
  /** It was made again, and has a copy. */
  readonly isRebuilt: boolean;
}

/** Query `objects`: everything of the Objects page that is kept up to date without asking anybody. */
export interface ObjectsDto {
  readonly objects: number;
  /** Of one copy of each. */
  readonly bytes: number;
  /** Nodes that are alive, by id. */
  readonly stores: readonly StorePartsDto[];
  readonly storesTotal: number;
  /** The largest first. */
  readonly groups: readonly ObjectGroupDto[];
  readonly groupsTotal: number;
  /** Pairs with traffic, the busiest first. */
  readonly transfers: readonly TransferDto[];
  readonly transfersTotal: number;
  readonly lost: number;
  readonly rebuilt: number;
  /** The newest first. */
  readonly losses: readonly LossDto[];
  /** Reports of objects that were left out, because there were too many. */
  readonly untracked: number;
}

/** Query `objects/one?id=`: what the head knows of one object; `holders` and the rest are asked of all nodes. */
export interface ObjectRowDto {
  readonly objectId: string;
  readonly bytes: number;
  readonly producer: string;
  /** Those with a complete copy. */
  readonly nodes: readonly string[];
  /** Of `nodes`: those whose copy is on disk alone. */
  readonly spilled: readonly string[];
  /** Those that it is on its way to. */
  readonly inFlight: readonly string[];
  /** Node of the copy that must not be lost, or "". */
  readonly primary: string;
  readonly owner: string;
  readonly home: string;
  readonly isError: boolean;
  /** Its last copy was lost; null: it never was. */
  readonly loss: LossDto | null;
}

/** A change in an actor's life. */
export interface ActorEventDto {
  readonly atMs: number;
  readonly state: ActorDto["state"];
  readonly incarnation: number;
  readonly nodeId: string | null;
  readonly workerId: string | null;
  /** Why it restarts or is dead: a code, and in words; null otherwise. */
  readonly cause: string | null;
  readonly message: string | null;
}

/** How an actor's calls fared, a point a second while something changed. Columns of equal length, oldest first. */
export interface ActorSamplesDto {
  readonly atMs: readonly number[];
  readonly callsPerSecond: readonly number[];
  readonly meanCallMs: readonly (number | null)[];
  readonly mailboxDepth: readonly number[];
  readonly callsRunning: readonly number[];
}

/** What a process uses; null where its node cannot tell. */
export interface WorkerFiguresDto {
  readonly rssBytes: number | null;
  /** Of one processor, so that it may be over 100. */
  readonly cpuPercent: number | null;
}

/** Query `actors/one?id=`. */
export interface ActorPageDto {
  readonly actor: ActorDto;
  /** Oldest first. */
  readonly events: readonly ActorEventDto[];
  /** Events in the middle of its life that are no longer remembered. */
  readonly eventsDropped: number;
  readonly samples: ActorSamplesDto;
  readonly worker: WorkerFiguresDto | null;
  /** Many actors in one process: what the process uses is not the actor's alone. */
  readonly isLight: boolean;
}

/** All actors of one class. */
export interface ActorClassDto {
  readonly className: string;
  readonly total: number;
  /** By state. */
  readonly states: Readonly<Partial<Record<ActorDto["state"], number>>>;
  readonly restarts: number;
}

/** Query `actors/overview`. */
export interface ActorsOverviewDto {
  readonly total: number;
  readonly states: Readonly<Partial<Record<ActorDto["state"], number>>>;
  /** The most numerous first. */
  readonly classes: readonly ActorClassDto[];
  readonly classesTotal: number;
}

/** What happened to a node. */
export interface NodeEventDto {
  readonly atMs: number;
  readonly nodeId: string;
  readonly kind:
    | "joined"
    | "suspect"
    | "back"
    | "draining"
    | "drain cancelled"
    | "drained"
    | "died"
    | "fenced";
  readonly message: string;
}

/** Query `nodes/overview`. */
export interface NodesDto {
  /** Living ones first. */
  readonly nodes: readonly NodeDto[];
  readonly nodesTotal: number;
  readonly stores: readonly StorePartsDto[];
  /** Of all nodes, the newest first. */
  readonly events: readonly NodeEventDto[];
}

/** A worker process, with what it does. */
export interface WorkerDto {
  readonly workerId: string;
  readonly nodeId: string;
  readonly pid: number | null;
  readonly runtime: string;
  readonly state: string;
  readonly jobId: string | null;
  readonly actorId: string | null;
  /** The function (or class) that its lease is for; null without one. */
  readonly work: string | null;
  readonly placementGroupId: string | null;
  readonly bundleIndex: number | null;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly exitDetail: string | null;
  readonly rssBytes: number | null;
  readonly cpuPercent: number | null;
}

/** Query `nodes/one?id=`. */
export interface NodePageDto {
  readonly node: NodeDto;
  readonly store: StorePartsDto;
  readonly workers: readonly WorkerDto[];
  readonly workersTotal: number;
  /** What nobody can grant there now. */
  readonly demand: readonly { readonly name: string; readonly count: number; readonly reason: string }[];
  /** Oldest first. */
  readonly events: readonly NodeEventDto[];
  readonly transfers: readonly TransferDto[];
}

/** One bundle of a placement group. */
export interface BundleDto {
  readonly index: number;
  readonly resources: Readonly<Record<string, number>>;
  readonly nodeId: string | null;
}

/** A placement group as `groups` lists it. */
export interface GroupDto {
  readonly placementGroupId: string;
  readonly name: string;
  readonly namespace: string;
  readonly state: string;
  /** Why it waits, or was removed. */
  readonly message: string;
  readonly strategy: string;
  readonly bundles: readonly BundleDto[];
  readonly jobId: string;
  readonly owner: string;
  readonly detached: boolean;
  readonly createdMs: number;
  readonly readyMs: number | null;
  readonly endedMs: number | null;
}

/** Query `groups/one?id=`. */
export interface GroupPageDto {
  readonly group: GroupDto;
  /** Who is inside: workers whose work draws from its bundles, and its actors that are not dead. */
  readonly workers: readonly WorkerDto[];
  readonly actors: readonly ActorDto[];
  readonly actorsTotal: number;
}
