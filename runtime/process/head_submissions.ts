/**
 * Submitted jobs at the head: requests become events of the submission manager, its effects writes and orders, and what
 * programs print is asked of the agents that have it.
 * @module
 */
import { randomBytes } from "node:crypto";
import { MobulaError } from "../common/errors.ts";
import { hex, type JobId, type NodeId } from "../common/ids.ts";
import type { RuntimeName } from "../common/task_spec.ts";
import {
  checkSubmission,
  entrypointOf,
  FINAL_STATES,
  type SubmissionRow,
  type SubmissionSpec,
  type SubmissionState,
} from "../common/submission.ts";
import type { NodeManager, NodeRecord } from "../core/gcs/node_manager.ts";
import {
  type SubmissionEvent,
  SubmissionManager,
  type SubmissionNode,
  type SubmissionRecord,
} from "../core/gcs/submission_manager.ts";
import type { StoredSubmission } from "../io/storage/rows.ts";
import type { GcsStore } from "../io/storage/store_client.ts";
import { type Handlers, Reply, type RpcAnswer } from "../io/transport/rpc.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import type { OutputPiece, OutputPlace } from "../protocol/submission_messages.ts";
import type { HeadNodes } from "./head_nodes.ts";

/** Longest wait of one request; who wants to wait longer asks again. */
const WAIT_MS_MAX = 30_000;
/** Beyond what the agent waits itself. */
const ANSWER_MS = 10_000;

export interface HeadSubmissionsOptions {
  readonly store: GcsStore;
  readonly restored: readonly StoredSubmission[];
  readonly nodes: Pick<HeadNodes, "order" | "request">;
  readonly members: Pick<NodeManager, "rows" | "facts" | "state">;
  readonly nowMs: () => number;
  /** The program of a submitted job has become the driver of this one. */
  readonly onDriver: (jobId: JobId, submissionId: string) => void;
}

export class HeadSubmissions {
  readonly #options: HeadSubmissionsOptions;
  readonly #manager: SubmissionManager;
  /** Who waits for a job's end. */
  readonly #waiting: Map<string, Set<() => void>> = new Map();

  constructor(options: HeadSubmissionsOptions) {
    this.#options = options;
    this.#manager = new SubmissionManager(options.restored.map(recordOf));
    // Nodes that died while no head was there to see what they ran.
    for (const nodeId of this.#manager.nodesInUse()) {
      if ((options.members.state(nodeId) ?? "DEAD") !== "DEAD") continue;
      this.#step({ type: "nodeDied", nodeId, reason: "it left while the head was away" });
    }
  }

  /** Resolves with the id after the commit. TypeError, RangeError, MobulaError (codes EXISTS, FULL). */
  async submit(job: unknown): Promise<{ submissionId: string }> {
    const spec = checkSubmission(job, `job-${hex(randomBytes(6))}`);
    if (spec.nodeId !== null && this.#options.members.facts(spec.nodeId) === null) {
      throw new RangeError(`There is no node ${JSON.stringify(spec.nodeId)}; \`mobula ls nodes\` lists them`);
    }
    const refusal = this.#options.store.refusal;
    if (refusal !== null) throw new MobulaError(refusal.message, { code: refusal.code });
    this.#step({ type: "submit", spec, nodes: this.#upNodes() });
    await this.#options.store.committed();
    return { submissionId: spec.submissionId };
  }

  /** Whether there was something to stop. MobulaError NoSuchJob. */
  async stop(submissionId: string): Promise<{ stopped: boolean }> {
    const { state, isStopping } = this.#known(submissionId);
    if (FINAL_STATES.has(state)) return { stopped: false };
    this.#step({ type: "stop", submissionId });
    await this.#options.store.committed();
    return { stopped: !isStopping };
  }

  rows(): SubmissionRow[] {
    return this.#manager.records().map(rowOf).sort((a, b) => b.submittedMs - a.submittedMs);
  }

  /** As it is when it has ended, or after `waitMs`; null when it is not known. */
  async row(submissionId: string, waitMs: number = 0): Promise<SubmissionRow | null> {
    const record = this.#manager.record(submissionId);
    if (record === null || FINAL_STATES.has(record.state) || !(waitMs > 0)) {
      return record === null ? null : rowOf(record);
    }
    await this.#ended(submissionId, Math.min(waitMs, WAIT_MS_MAX));
    const now = this.#manager.record(submissionId);
    return now === null ? null : rowOf(now);
  }

  /** The next piece of what it printed. MobulaError NoSuchJob, OutputGone. */
  async output(submissionId: string, place: OutputPlace, waitMs: number): Promise<RpcAnswer<OutputPiece>> {
    const { nodeId, state } = this.#known(submissionId);
    if (nodeId === null) {
      // Nothing can have been printed; perhaps soon.
      if (!FINAL_STATES.has(state)) await this.#ended(submissionId, Math.min(waitMs, 200));
      const isOver = FINAL_STATES.has(this.#known(submissionId).state);
      return { result: { ...place, isOver, dropped: 0 }, sections: [] };
    }
    const params = { submissionId, out: place.out, err: place.err, waitMs: Math.min(waitMs, WAIT_MS_MAX) };
    const answer = await this.#options.nodes.request(nodeId, "readSubmission", params, waitMs + ANSWER_MS)
      .catch((error: Error) => {
        // The agent died, or stands still; what it says itself is passed on.
        if (error instanceof MobulaError || error instanceof RangeError) throw error;
        return null;
      });
    if (answer !== null) {
      // A start order that is on its way: the agent has not heard of it.
      const isOver = answer.result.isOver && FINAL_STATES.has(this.#known(submissionId).state);
      return { ...answer, result: { ...answer.result, isOver } };
    }
    throw new MobulaError(`what ${submissionId} printed is on node ${nodeId}, which does not answer`, {
      code: "OutputGone",
    });
  }

  /** For people: the submitted job that a driver's job belongs to. */
  ofJob(jobId: string): SubmissionRow | null {
    const record = this.#manager.records().find((one) => one.jobId === jobId);
    return record === undefined ? null : rowOf(record);
  }

  /** A node has (re)registered, and can be told things. */
  nodeConnected(nodeId: NodeId): void {
    const facts = this.#options.members.facts(nodeId);
    if (facts !== null) this.#step({ type: "nodeConnected", node: facts });
  }

  nodeChanged({ state, stateMessage, facts }: NodeRecord): void {
    if (state === "DEAD") this.#step({ type: "nodeDied", nodeId: facts.nodeId, reason: stateMessage });
  }

  driverJoined(nodeId: NodeId, pid: number, jobId: JobId): void {
    this.#step({ type: "driverJoined", nodeId, pid, jobId });
  }

  /** What the command line may ask. */
  cliHandlers(): Handlers<HeadMethods> {
    return {
      submitJob: ({ job }) => this.submit(job),
      stopSubmission: ({ submissionId }) => this.stop(String(submissionId)),
      submissions: () => ({ rows: this.rows() }),
      submission: async ({ submissionId, waitMs }) => ({ row: await this.row(String(submissionId), waitMs) }),
      submissionOutput: async ({ submissionId, out, err, waitMs }) => {
        const { result, sections } = await this.output(String(submissionId), { out, err }, waitMs);
        return new Reply(result, sections);
      },
    };
  }

  /** What the agent of a node reports. */
  agentHandlers(nodeId: NodeId): Handlers<HeadMethods> {
    const { store } = this.#options;
    return {
      submissionStarted: async ({ submissionId, epoch, pid }) => {
        this.#step({ type: "started", submissionId, nodeId, epoch, pid });
        await store.committed();
        return {};
      },
      submissionEnded: async ({ submissionId, outcome }) => {
        this.#step({ type: "ended", submissionId, nodeId, outcome });
        await store.committed();
        return {};
      },
    };
  }

  #known(submissionId: string): SubmissionRecord {
    const record = this.#manager.record(submissionId);
    if (record !== null) return record;
    throw new MobulaError(`there is no job ${JSON.stringify(submissionId.slice(0, 100))}`, {
      code: "NoSuchJob",
    });
  }

  #upNodes(): SubmissionNode[] {
    return this.#options.members.rows().filter(({ state, drain }) =>
      state === "ALIVE" && drain === undefined
    );
  }

  #ended(submissionId: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(submissionId) ?? new Set();
      this.#waiting.set(submissionId, waiting);
      const wake = (): void => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(submissionId);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      waiting.add(wake);
    });
  }

  #step(event: SubmissionEvent): void {
    const { store, nodes, nowMs, onDriver } = this.#options;
    for (const effect of this.#manager.step(Math.round(nowMs()), event)) {
      switch (effect.type) {
        case "persist":
          store.write({ table: "submissions", put: storedOf(effect.record) });
          if (effect.record.jobId !== null) onDriver(effect.record.jobId, effect.record.spec.submissionId);
          if (!FINAL_STATES.has(effect.record.state)) break;
          for (const wake of this.#waiting.get(effect.record.spec.submissionId) ?? []) wake();
          break;
        case "forget":
          store.write({ table: "submissions", remove: [effect.submissionId] });
          break;
        case "start":
          nodes.order(effect.nodeId, "startSubmission", { spec: effect.spec });
          break;
        case "end":
          nodes.order(effect.nodeId, "endSubmission", { submissionId: effect.submissionId });
          break;
        case "refused":
          throw new MobulaError(effect.reason, { code: effect.code });
        default:
          effect satisfies never;
      }
    }
  }
}

function rowOf(record: SubmissionRecord): SubmissionRow {
  const { spec, state, message, nodeId, pid, jobId, exitCode, signal } = record;
  const { submittedMs, startedMs, endedMs } = record;
  return {
    submissionId: spec.submissionId,
    state,
    message,
    entrypoint: entrypointOf(spec),
    runtime: spec.runtime,
    workingDir: spec.workingDir,
    metadata: spec.metadata,
    nodeId,
    pid,
    jobId,
    exitCode,
    signal,
    submittedMs,
    startedMs,
    endedMs,
  };
}

function storedOf(record: SubmissionRecord): StoredSubmission {
  const { spec, isStopping, ...rest } = record;
  return {
    ...rest,
    submissionId: spec.submissionId,
    entrypoint: entrypointOf(spec),
    metadata: JSON.stringify(spec.metadata),
    spec: JSON.stringify(spec),
    message: record.message.slice(0, 4_000),
    isStopping: isStopping ? 1 : 0,
  };
}

function recordOf(row: StoredSubmission): SubmissionRecord {
  const { submissionId: _id, entrypoint: _entrypoint, metadata: _metadata, spec, isStopping, ...rest } = row;
  const parsed = JSON.parse(spec) as SubmissionSpec;
  return {
    ...rest,
    spec: { ...parsed, runtime: parsed.runtime as RuntimeName | null },
    state: row.state as SubmissionState,
    nodeId: row.nodeId as NodeId | null,
    jobId: row.jobId as JobId | null,
    isStopping: isStopping === 1,
  };
}
