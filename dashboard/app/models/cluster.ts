/**
 * What the page knows of the cluster: one signal per topic of the stream. Frames go in, rows come out; no DOM here.
 * @module
 */
import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type {
  ActorDto,
  ClusterDto,
  EdgeDto,
  FailureDto,
  FunctionDto,
  HelloDto,
  JobDto,
  NodeDto,
  ObjectGroupDto,
  RatesDto,
  StreamFrame,
  TableData,
  Topic,
  UsageDto,
} from "../../api_types.ts";
import { applyAnswer } from "./query.ts";

/** Rows as they are shown; `total` may be more. Null before the first frame. */
export interface Rows<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
}

/** Seconds of the strips that are kept. */
const POINTS = 600;

/** One table of the stream: applies snapshots and deltas. */
class Table<Row> {
  readonly #rows = new Map<string, Row>();
  readonly #key: (row: Row) => string;
  readonly #signal: Signal<Rows<Row> | null> = signal(null);

  constructor(key: (row: Row) => string) {
    this.#key = key;
  }
  get signal(): ReadonlySignal<Rows<Row> | null> {
    return this.#signal;
  }
  apply(kind: "snapshot" | "delta", data: TableData<Row>): void {
    if (kind === "snapshot") this.#rows.clear();
    for (const key of data.removed) this.#rows.delete(key);
    for (const row of data.rows) this.#rows.set(this.#key(row), row);
    this.#signal.value = { rows: [...this.#rows.values()], total: data.total };
  }
}

const nodeTable = new Table<NodeDto>((row) => row.nodeId);
const functionTable = new Table<FunctionDto>((row) => row.key);
const edgeTable = new Table<EdgeDto>((row) => row.key);
const failureTable = new Table<FailureDto>((row) => row.key);
const actorTable = new Table<ActorDto>((row) => row.actorId);
const objectTable = new Table<ObjectGroupDto>((row) => row.producer);
const jobTable = new Table<JobDto>((row) => row.jobId);

export const hello: Signal<HelloDto | null> = signal(null);
export const cluster: Signal<ClusterDto | null> = signal(null);
export const rates: Signal<RatesDto | null> = signal(null);
export const usage: Signal<UsageDto | null> = signal(null);
export const nodes = nodeTable.signal;
export const functions = functionTable.signal;
export const edges = edgeTable.signal;
export const actors = actorTable.signal;
export const objects = objectTable.signal;
export const jobs = jobTable.signal;
/** The head's clock minus ours, for ages. */
export const clockOffsetMs: Signal<number> = signal(0);

const tables: Partial<Record<Topic, Table<never>>> = {
  nodes: nodeTable as unknown as Table<never>,
  functions: functionTable as unknown as Table<never>,
  edges: edgeTable as unknown as Table<never>,
  failures: failureTable as unknown as Table<never>,
  actors: actorTable as unknown as Table<never>,
  objects: objectTable as unknown as Table<never>,
  jobs: jobTable as unknown as Table<never>,
};

/** Apply the frames of one chunk at once, so that the page renders once. */
export function applyFrames(frames: readonly StreamFrame[]): void {
  batch(() => {
    for (const frame of frames) applyFrame(frame);
  });
}

function applyFrame(frame: StreamFrame): void {
  switch (frame.topic) {
    case "hello":
      hello.value = frame.data;
      clockOffsetMs.value = frame.data.nowMs - Date.now();
      break;
    case "heartbeat":
      break;
    case "live":
      applyAnswer(frame);
      break;
    case "cluster":
      cluster.value = frame.data;
      break;
    case "rates":
      rates.value = frame.kind === "snapshot" ? frame.data : joinRates(rates.value, frame.data);
      break;
    case "usage":
      usage.value = frame.kind === "snapshot" ? frame.data : joinUsage(usage.value, frame.data);
      break;
    default:
      tables[frame.topic]?.apply(frame.kind, frame.data as TableData<never>);
  }
}

/** The points of a delta replace those from its first on. */
function joinRates(before: RatesDto | null, news: RatesDto): RatesDto {
  const join = joiner(before, news);
  return {
    stepMs: news.stepMs,
    atMs: join("atMs"),
    finished: join("finished"),
    failed: join("failed"),
    running: join("running"),
  };
}

function joinUsage(before: UsageDto | null, news: UsageDto): UsageDto {
  const join = joiner(before, news);
  return {
    stepMs: news.stepMs,
    atMs: join("atMs"),
    queued: join("queued"),
    cpuPercent: join("cpuPercent"),
    memoryUsed: join("memoryUsed"),
    memoryTotal: join("memoryTotal"),
    storeUsed: join("storeUsed"),
    storeSpilled: join("storeSpilled"),
    storeTotal: join("storeTotal"),
    netIn: join("netIn"),
    netOut: join("netOut"),
  };
}

type Series<T> = { [K in keyof T]: T[K] extends readonly number[] ? K : never }[keyof T];

function joiner<T extends { readonly atMs: readonly number[] }>(
  before: T | null,
  news: T,
): (name: Series<T>) => number[] {
  const first = news.atMs[0] ?? Infinity;
  let keep = before?.atMs.length ?? 0;
  while (keep > 0 && before!.atMs[keep - 1]! >= first) keep--;
  const from = Math.max(0, keep + news.atMs.length - POINTS);
  return (name) => [
    ...(before === null ? [] : (before[name] as readonly number[]).slice(from, keep)),
    ...news[name] as readonly number[],
  ];
}
