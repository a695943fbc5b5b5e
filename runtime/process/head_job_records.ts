/**
 * Keeps what people want to see of a job when it is over: a record, made when the job ends, and now and then on its way, so
 * that a head that is killed loses little. The telemetry process makes most of it; it is passed on to the store as it comes.
 *
 *   running --every minute--> recorded so far --ended, its last events are in--> recorded
 * @module
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { RecordAboutDto } from "../../dashboard/api/history.ts";
import type { ProfileDto } from "../../dashboard/api/tasks.ts";
import type { TaskTotals } from "../../dashboard/api_types.ts";
import type { EntityReader } from "../../dashboard/server/queries/entities.ts";
import type { StoredJob } from "../io/storage/rows.ts";
import type { StoreReader } from "../io/storage/reader_client.ts";
import type { GcsStore } from "../io/storage/store_client.ts";
import type { TelemetryClient } from "../io/telemetry/telemetry_client.ts";
import type { ClusterView } from "../io/telemetry/cluster_view.ts";

/** Events of a job's last tasks are this late at most, usually. */
const SETTLE_MS = 1_500;
/** Records of a job that runs. */
const RUNNING_EVERY_MS = 60_000;
/** A job that ended under the head before, and has no record of its end, gets one from what the store kept, if it is this young. */
const LATE_MS = 600_000;
/** Records on their way to be made. */
const WAITING_MAX = 100;
/** How often the stored objects are looked at while a job runs: at its end they are gone. */
const OBJECTS_EVERY_MS = 5_000;
const ACTORS_MAX = 200;

const compressed = promisify(gzip);
const encoder = new TextEncoder();

export interface JobRecordsOptions {
  readonly store: GcsStore;
  readonly reader: StoreReader;
  readonly telemetry: TelemetryClient;
  readonly view: ClusterView;
  readonly entities: EntityReader;
  /** All jobs that are known. */
  readonly jobs: () => readonly Omit<StoredJob, "driverId" | "nodeId" | "pid" | "runtime">[];
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
}

type Job = ReturnType<JobRecordsOptions["jobs"]>[number];

/** See the module's header. */
export class JobRecords {
  readonly #options: JobRecordsOptions;
  readonly #startedMs: number;
  /** Jobs with a record, and whether it is of their end. Null until the store has said. */
  #recorded: Map<string, boolean> | null = null;
  readonly #madeMs = new Map<string, number>();
  readonly #waiting = new Map<string, Job>();
  #isMaking = false;
  #isClosed = false;
  #objects:
    | { readonly atMs: number; readonly overview: unknown; readonly groups: readonly unknown[] }
    | null = null;

  constructor(options: JobRecordsOptions) {
    this.#options = options;
    this.#startedMs = options.nowMs();
    // A new store has none: no process is started to ask it.
    if (options.store.loaded.isNew) this.#recorded = new Map();
    else void this.#load();
  }

  /** Whether the job's answers come from its record: it ended before this head began. */
  isPast(jobId: string): boolean {
    if (this.#recorded?.has(jobId) !== true) return false;
    const job = this.#options.jobs().find((one) => one.jobId === jobId);
    return job === undefined || (job.endedMs !== null && job.endedMs < this.#startedMs);
  }

  about(jobId: string): RecordAboutDto {
    const isPast = this.isPast(jobId);
    const state = this.#options.jobs().find((one) => one.jobId === jobId)?.state ?? null;
    return { jobId, source: isPast ? "record" : "live", state };
  }

  answer(jobId: string, name: string, params: URLSearchParams): Promise<unknown> {
    return this.#options.reader.ask("recordAnswer", { jobId, name, query: params.toString() });
  }

  /** Once a second or so. */
  tick(): void {
    if (this.#recorded === null || this.#isClosed) return;
    const nowMs = this.#options.nowMs();
    let isAnyRunning = false;
    for (const job of this.#options.jobs()) {
      isAnyRunning ||= job.endedMs === null;
      if (this.#isDue(job, nowMs) && this.#waiting.size < WAITING_MAX) this.#waiting.set(job.jobId, job);
    }
    if (isAnyRunning && nowMs - (this.#objects?.atMs ?? 0) >= OBJECTS_EVERY_MS) this.#lookAtObjects(nowMs);
    void this.#makeAll();
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
  }

  async #load(): Promise<void> {
    try {
      this.#recorded = new Map(await this.#options.reader.ask("recorded", {}));
    } catch (error) {
      this.#options.log(`the records of jobs cannot be read: ${(error as Error).message}`);
      this.#recorded = new Map();
    }
  }

  #isDue({ jobId, endedMs, startedMs }: Job, nowMs: number): boolean {
    if (endedMs === null) return nowMs - (this.#madeMs.get(jobId) ?? startedMs) >= RUNNING_EVERY_MS;
    if (this.#recorded!.get(jobId) === true) return false;
    return nowMs - endedMs >= SETTLE_MS && endedMs >= this.#startedMs - LATE_MS;
  }

  async #makeAll(): Promise<void> {
    if (this.#isMaking) return;
    this.#isMaking = true;
    for (const [jobId, job] of this.#waiting) {
      this.#waiting.delete(jobId);
      if (this.#isClosed) break;
      const isOver = job.endedMs !== null;
      try {
        this.#madeMs.set(jobId, this.#options.nowMs());
        // While the store is away nothing is piled up for it: the next tick tries again.
        if (this.#options.store.waitingFor === null && await this.#make(job)) {
          this.#recorded!.set(jobId, isOver);
        }
      } catch (error) {
        this.#options.log(`no record of job ${jobId} can be made: ${(error as Error).message}`);
        // Not again each second.
        if (isOver) this.#recorded!.set(jobId, true);
      }
      if (isOver) this.#madeMs.delete(jobId);
    }
    this.#isMaking = false;
  }

  /** The record as it is kept, for a report: of a job that lives, made now. Null for a job that nobody knows. */
  async bytes(jobId: string): Promise<{ gzip: string } | null> {
    const job = this.#options.jobs().find((one) => one.jobId === jobId);
    if (job === undefined || this.isPast(jobId)) {
      return await this.#options.reader.ask("recordBytes", { jobId });
    }
    return { gzip: Buffer.from((await this.#build(jobId)).record).toString("base64") };
  }

  async #make(job: Job): Promise<boolean> {
    const { store, nowMs } = this.#options;
    const { record, totals } = await this.#earlier(job) ?? await this.#build(job.jobId);
    if (this.#isClosed) return false;
    store.write({
      table: "jobRecords",
      put: {
        jobId: job.jobId,
        name: job.entrypoint,
        namespace: job.namespace,
        state: job.state,
        message: job.message,
        startedMs: job.startedMs,
        endedMs: job.endedMs,
        madeMs: nowMs(),
        ...countsOf(totals),
        bytes: record.length,
        record,
      },
    });
    return true;
  }

  /**
   * Of a job that began under the head before: the record that was made on its way, when it knows of more tasks than this
   * head, which has the newest alone.
   */
  async #earlier({ jobId, startedMs }: Job): Promise<{ record: Uint8Array; totals: TaskTotals } | null> {
    if (startedMs >= this.#startedMs || this.#recorded?.has(jobId) !== true) return null;
    const { telemetry, reader } = this.#options;
    const kept = await this.answer(jobId, "profile", new URLSearchParams()) as ProfileDto;
    const now = await telemetry.ask("profile", { job: jobId });
    if (now.recorded.attempts >= kept.recorded.attempts) return null;
    const bytes = await reader.ask("recordBytes", { jobId });
    const totals = ended(now.totals) >= ended(kept.totals) ? now.totals : kept.totals;
    return bytes === null ? null : { record: new Uint8Array(Buffer.from(bytes.gzip, "base64")), totals };
  }

  async #build(jobId: string): Promise<{ record: Uint8Array; totals: TaskTotals }> {
    const { telemetry } = this.#options;
    const base = await telemetry.askJson("record", { job: jobId });
    const { totals } = await telemetry.ask("profile", { job: jobId });
    const own = encoder.encode(JSON.stringify(await this.#own(jobId)));
    // `{"actors":…,"base":` the telemetry process's bytes `}`: they are not read here.
    const parts = [own.subarray(0, -1), encoder.encode(',"base":'), base, encoder.encode("}")];
    return { record: new Uint8Array(await compressed(Buffer.concat(parts))), totals };
  }

  /** What the head knows of it: actors of the job, and what the object store held while it ran. */
  async #own(jobId: string): Promise<object> {
    const { entities, view } = this.#options;
    const actors = view.read("actors", null).data.rows.filter((row) => row.jobId === jobId).slice(
      0,
      ACTORS_MAX,
    );
    const page = await entities.actors({
      filters: [`jobId=${jobId}`],
      text: null,
      sort: "updatedMs",
      descending: true,
      limit: ACTORS_MAX,
      after: null,
    });
    if (this.#objects === null) this.#lookAtObjects(this.#options.nowMs());
    const pages = {
      "objects/overview": this.#objects!.overview,
      "actors/overview": entities.actorsOverview(),
      "actors/page": page,
      "nodes/overview": entities.nodes(),
    };
    return { actors, objects: this.#objects!.groups, pages };
  }

  /** Keeps the last sight of objects that were there. */
  #lookAtObjects(nowMs: number): void {
    const groups = this.#options.view.read("objects", null).data.rows;
    if (groups.length === 0 && this.#objects !== null && this.#objects.groups.length > 0) return;
    this.#objects = { atMs: nowMs, overview: this.#options.entities.objects(), groups };
  }
}

function ended({ finished, failed }: TaskTotals): number {
  return finished + failed;
}

function countsOf(totals: TaskTotals): { finished: number; failed: number; unfinished: number } {
  const { finished, failed, pendingArgs, pendingNode, submitted, running } = totals;
  return { finished, failed, unfinished: pendingArgs + pendingNode + submitted + running };
}
