/**
 * Requests of one node that could be granted now but for resources: jobs in turn, within a job deeper ones first
 * (descendants of blocked tasks run before new roots), round robin across scheduling classes within a depth, first come
 * first served within a class.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { LeaseOrigin } from "./local_scheduler_types.ts";
import type { JobId, NodeId } from "../../common/ids.ts";
import type { LeaseRequest } from "../../common/task_spec.ts";
import type { Allocation } from "./node_resources.ts";

/**
 * deciding: asked the global scheduler, must not run here yet.  queued: could run here now but for resources.
 * pulling: its arguments are being fetched.  starting: holds resources, waits for a worker.  forwarded: another node has it.
 */
export type RequestPhase = "deciding" | "queued" | "pulling" | "starting" | "forwarded";

/** One request without an answer. Fields are changed by the local scheduler only. */
export interface PendingRequest {
  readonly key: string;
  readonly request: LeaseRequest;
  readonly origin: LeaseOrigin;
  readonly sinceMs: number;
  phase: RequestPhase;
  backlog: number;
  /** Decided to run here; still offered to others when it waits for long. */
  committed: boolean;
  argumentsReady: boolean;
  missingBytes: number | null;
  /** The global scheduler has been asked and has not answered. */
  picking: boolean;
  /** It could run here at once: the global scheduler may say otherwise, but is not waited for beyond this time. */
  decideByMs: number | null;
  /** When to ask the global scheduler (again), and how long to wait after that. */
  nextPickMs: number;
  pickBackoffMs: number;
  exclude: NodeId[];
  /** Held while "starting". */
  allocation: Allocation | null;
  forwardedTo: NodeId | null;
}

/** The requests of one job, depth and scheduling class. */
class ClassLine {
  readonly entries: Set<PendingRequest> = new Set();
  /** Those of them that are decided to run here. */
  readonly committed: Set<PendingRequest> = new Set();

  /**
   * The request whose turn it is: one that is decided to run here goes first. Its resources are promised to it, so that
   * those before it, which came later to that decision, would wait for what only it can take.
   */
  get first(): PendingRequest {
    return (this.committed.size > 0 ? this.committed : this.entries).values().next().value!;
  }
}

/** The requests of one job. */
class JobLines {
  /** depth -> class -> its line; no empty maps and lines. */
  readonly depths: Map<number, Map<string, ClassLine>> = new Map();
  /** Depths in use, deepest first. */
  order: number[] = [];

  line(entry: PendingRequest): ClassLine | undefined {
    return this.depths.get(entry.request.depth)?.get(entry.request.classKey);
  }

  /** The entry's line, made when it is the first of its kind. */
  open({ request: { depth, classKey } }: PendingRequest): ClassLine {
    let classes = this.depths.get(depth);
    if (classes === undefined) {
      classes = new Map();
      this.depths.set(depth, classes);
      this.order = [...this.depths.keys()].sort((a, b) => b - a);
    }
    let line = classes.get(classKey);
    if (line === undefined) {
      line = new ClassLine();
      classes.set(classKey, line);
    }
    return line;
  }

  /** The entry's line is empty. */
  close({ request: { depth, classKey } }: PendingRequest): void {
    const classes = this.depths.get(depth)!;
    classes.delete(classKey);
    if (classes.size > 0) return;
    this.depths.delete(depth);
    this.order = this.order.filter((other) => other !== depth);
  }
}

export class LeaseQueue {
  /** Jobs with requests, in their turn's order. */
  readonly #jobs: Map<JobId, JobLines> = new Map();
  #size: number = 0;

  get size(): number {
    return this.#size;
  }

  add(entry: PendingRequest): void {
    const { jobId } = entry.request;
    let job = this.#jobs.get(jobId);
    if (job === undefined) {
      job = new JobLines();
      this.#jobs.set(jobId, job);
    }
    const line = job.open(entry);
    if (line.entries.has(entry)) throw new Error(`Cannot queue ${entry.key} twice.`);
    line.entries.add(entry);
    this.#size++;
    if (entry.committed) line.committed.add(entry);
  }

  remove(entry: PendingRequest): void {
    const job = this.#jobs.get(entry.request.jobId);
    const line = job?.line(entry);
    if (job === undefined || line === undefined || !line.entries.delete(entry)) {
      throw new Error(`Cannot remove ${entry.key}: it is not queued.`);
    }
    this.#size--;
    line.committed.delete(entry);
    if (line.entries.size > 0) return;
    job.close(entry);
    if (job.depths.size === 0) this.#jobs.delete(entry.request.jobId);
  }

  /** Jobs with requests, the one whose turn it is first. */
  jobs(): JobId[] {
    return [...this.#jobs.keys()];
  }

  /** Depths of a job in use, deepest first. */
  depths(jobId: JobId): readonly number[] {
    return this.#jobs.get(jobId)?.order ?? [];
  }

  /** Classes of a job at a depth in their turn's order. */
  classesAt(jobId: JobId, depth: number): string[] {
    return [...this.#jobs.get(jobId)?.depths.get(depth)?.keys() ?? []];
  }

  /** The request of a class whose turn it is. */
  first(jobId: JobId, depth: number, classKey: string): PendingRequest | undefined {
    return this.#jobs.get(jobId)?.depths.get(depth)?.get(classKey)?.first;
  }

  /** The first request of every class: jobs in turn, deeper ones first within a job. */
  *firsts(): Generator<PendingRequest> {
    for (const [jobId, { order }] of this.#jobs) {
      for (const depth of order) {
        for (const line of this.#jobs.get(jobId)!.depths.get(depth)!.values()) yield line.first;
      }
    }
  }

  /** It is decided now that this queued request runs here. */
  promote(entry: PendingRequest): void {
    this.#jobs.get(entry.request.jobId)!.line(entry)!.committed.add(entry);
  }

  /** The class had its turn, and its job: they go behind the others. */
  rotate(jobId: JobId, depth: number, classKey: string): void {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return;
    if (this.#jobs.size > 1) moveToEnd(this.#jobs, jobId);
    const classes = job.depths.get(depth);
    if (classes?.has(classKey)) moveToEnd(classes, classKey);
  }

  has(entry: PendingRequest): boolean {
    return this.#jobs.get(entry.request.jobId)?.line(entry)?.entries.has(entry) ?? false;
  }

  check(): void {
    let size = 0;
    for (const { depths, order } of this.#jobs.values()) {
      assert(depths.size > 0, "no job is empty");
      assert(
        order.length === depths.size && order.every((depth) => depths.has(depth)),
        "depths are in order",
      );
      for (const classes of depths.values()) {
        assert(classes.size > 0, "no depth is empty");
        for (const { entries, committed } of classes.values()) {
          assert(entries.size > 0, "no class is empty");
          size += entries.size;
          for (const entry of entries) {
            assert(entry.phase === "queued", "only queued requests are in the queue");
            assert(committed.has(entry) === entry.committed, "decided requests are known");
          }
          for (const entry of committed) assert(entries.has(entry), "decided requests are queued");
        }
      }
    }
    assert(size === this.#size, "the queue knows its size");
  }
}

function moveToEnd<K, V>(map: Map<K, V>, key: K): void {
  const value = map.get(key)!;
  map.delete(key);
  map.set(key, value);
}
