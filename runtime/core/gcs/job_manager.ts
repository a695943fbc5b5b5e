/**
 * The job manager: the drivers' jobs, from their first word to their end.
 *
 * It owns: job ids, namespaces, states, and who must hear of an end. It does not own what a job's end takes along (agents
 * and the other machines hear of it).
 *
 *   1              2
 *  ---> RUNNING ------> SUCCEEDED | FAILED
 *
 *   1 addJob, idempotent by driver id: a resent request is answered with the same job.
 *   2 endJob; or the driver's node died; or its node came back without the driver.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { JobId, NodeId, ProcessId } from "../../common/ids.ts";
import type { DriverRuntime } from "../../common/task_spec.ts";
import type { Core } from "../core.ts";

/** Ended jobs that are remembered in memory (the store keeps its own history). */
export const ENDED_JOBS_KEPT: number = 1_000;

export interface JobRecord {
  readonly jobId: JobId;
  readonly driverId: ProcessId;
  readonly nodeId: NodeId;
  readonly namespace: string;
  readonly entrypoint: string;
  readonly pid: number;
  readonly runtime: DriverRuntime;
  readonly state: "RUNNING" | "SUCCEEDED" | "FAILED";
  /** Why it ended; "" while it runs. */
  readonly message: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
}

export type JobEvent =
  | {
    readonly type: "addJob";
    readonly requestId: string;
    /** A fresh random id, used when the driver has no job yet. */
    readonly newJobId: JobId;
    readonly driverId: ProcessId;
    readonly nodeId: NodeId;
    /** Null: the job gets a namespace of its own, named after its id. */
    readonly namespace: string | null;
    readonly entrypoint: string;
    readonly pid: number;
    readonly runtime: DriverRuntime;
  }
  | { readonly type: "endJob"; readonly jobId: JobId; readonly reason: string; readonly failed: boolean }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly reason: string }
  /** A node (re)joined with these drivers: jobs of others that were on it have lost theirs. */
  | {
    readonly type: "driversReported";
    readonly nodeId: NodeId;
    readonly drivers: readonly { readonly driverId: ProcessId; readonly jobId: JobId }[];
  };

export type JobEffect =
  | { readonly type: "persistJob"; readonly job: JobRecord }
  | { readonly type: "forgetJob"; readonly jobId: JobId }
  | {
    readonly type: "jobAdded";
    readonly requestId: string;
    readonly jobId: JobId;
    readonly namespace: string;
  }
  | {
    readonly type: "jobEnded";
    readonly jobId: JobId;
    readonly driverId: ProcessId;
    readonly reason: string;
  };

export class JobManager implements Core<JobEvent, JobEffect> {
  /** Running jobs and the newest ended ones. */
  readonly #jobs: Map<JobId, JobRecord> = new Map();
  /** All and only running jobs, by driver. */
  readonly #byDriver: Map<ProcessId, JobId> = new Map();
  /** All and only ended jobs, oldest first. */
  readonly #ended: Set<JobId> = new Set();

  /** `restored`: the store's jobs after a restart of the head. */
  constructor(restored: readonly JobRecord[] = []) {
    for (const job of restored) {
      this.#jobs.set(job.jobId, job);
      if (job.state === "RUNNING") this.#byDriver.set(job.driverId, job.jobId);
      else this.#ended.add(job.jobId);
    }
  }

  step(nowMs: number, event: JobEvent): readonly JobEffect[] {
    const out: JobEffect[] = [];
    switch (event.type) {
      case "addJob":
        this.#add(nowMs, event, out);
        break;
      case "endJob":
        this.#end(nowMs, event.jobId, event.reason, event.failed, out);
        break;
      case "nodeDied":
        for (const job of this.#running(event.nodeId)) {
          this.#end(nowMs, job.jobId, `the driver's node ${event.nodeId} died: ${event.reason}`, true, out);
        }
        break;
      case "driversReported": {
        const reported = new Set(event.drivers.map((driver) => driver.driverId));
        for (const job of this.#running(event.nodeId)) {
          // A driver whose answer was lost on the way is not reported either; its resent addJob gets a new job.
          if (!reported.has(job.driverId)) this.#end(nowMs, job.jobId, "the driver is gone", true, out);
        }
        break;
      }
      default:
        event satisfies never;
    }
    return out;
  }

  /** Whether this job has not ended. A job that is not known has. */
  isRunning(jobId: JobId): boolean {
    return this.#jobs.get(jobId)?.state === "RUNNING";
  }

  job(jobId: JobId): JobRecord | null {
    return this.#jobs.get(jobId) ?? null;
  }

  /** Running jobs and the ended ones that are remembered. */
  jobs(): JobRecord[] {
    return [...this.#jobs.values()];
  }

  /** Jobs that ended after this moment, as far as they are remembered. */
  endedSince(ms: number): JobId[] {
    return [...this.#ended].filter((jobId) => this.#jobs.get(jobId)!.endedMs! > ms);
  }

  check(): void {
    for (const [id, job] of this.#jobs) {
      const running = job.state === "RUNNING";
      assert(this.#ended.has(id) === !running, `${id} is in the list of ended jobs if it ended`);
      assert((job.endedMs === null) === running, `${id} has an end if it ended`);
      if (running) assert(this.#byDriver.get(job.driverId) === id, `${id} is found by its driver`);
    }
    for (const [driver, id] of this.#byDriver) {
      assert(this.#jobs.get(id)?.state === "RUNNING", `${driver}'s job ${id} runs`);
    }
    assert(this.#ended.size <= ENDED_JOBS_KEPT, "the list of ended jobs is bounded");
  }

  #add(nowMs: number, event: Extract<JobEvent, { type: "addJob" }>, out: JobEffect[]): void {
    const { type: _type, requestId, newJobId, namespace, ...facts } = event;
    const known = this.#byDriver.get(event.driverId);
    if (known !== undefined) {
      // Resent: the answer was lost with a connection or with a head.
      out.push({ type: "jobAdded", requestId, jobId: known, namespace: this.#jobs.get(known)!.namespace });
      return;
    }
    assert(!this.#jobs.has(newJobId), `job id ${newJobId} is fresh`);
    const job: JobRecord = {
      jobId: newJobId,
      ...facts,
      namespace: namespace ?? `anonymous-${newJobId.slice(2)}`,
      state: "RUNNING",
      message: "",
      startedMs: nowMs,
      endedMs: null,
    };
    this.#jobs.set(newJobId, job);
    this.#byDriver.set(event.driverId, newJobId);
    out.push({ type: "persistJob", job });
    out.push({ type: "jobAdded", requestId, jobId: newJobId, namespace: job.namespace });
  }

  #end(nowMs: number, jobId: JobId, reason: string, failed: boolean, out: JobEffect[]): void {
    const job = this.#jobs.get(jobId);
    // Resent, or ended otherwise before.
    if (job === undefined || job.state !== "RUNNING") return;
    const ended: JobRecord = {
      ...job,
      state: failed ? "FAILED" : "SUCCEEDED",
      message: reason,
      endedMs: nowMs,
    };
    this.#jobs.set(jobId, ended);
    this.#byDriver.delete(job.driverId);
    this.#ended.add(jobId);
    out.push({ type: "persistJob", job: ended });
    out.push({ type: "jobEnded", jobId, driverId: job.driverId, reason });
    if (this.#ended.size <= ENDED_JOBS_KEPT) return;
    const oldest = this.#ended.values().next().value!;
    this.#ended.delete(oldest);
    this.#jobs.delete(oldest);
    out.push({ type: "forgetJob", jobId: oldest });
  }

  #running(nodeId: NodeId): JobRecord[] {
    return [...this.#byDriver.values()].map((id) => this.#jobs.get(id)!).filter((job) =>
      job.nodeId === nodeId
    );
  }
}
