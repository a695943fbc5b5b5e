/**
 * The submission manager: submitted jobs, from the request to their program's end.
 *
 * It owns: submission ids, their states, and on which node each runs. It does not own the processes (agents do), nor the
 * drivers' jobs (the job manager).
 *
 *   1              2             3
 *  ---> PENDING ------> RUNNING ---> SUCCEEDED | FAILED | STOPPED
 *          \----------------4----------^
 *
 *   1 submit. A node is chosen at once, or when the first that will do comes up; it is told, again whenever it connects.
 *   2 the agent says that the program's process is there.
 *   3 the agent says how it ended (STOPPED when somebody had asked for that); or the agent died, and the program with it.
 *   4 stopped before it began; or the agent could not start it; or its node died.
 *
 * Orders may be lost with a connection and are given again; reports are resent until they are answered. So both may come
 * twice or late, and change nothing then.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { JobId, NodeId } from "../../common/ids.ts";
import {
  FINAL_STATES,
  type SubmissionOutcome,
  type SubmissionSpec,
  type SubmissionState,
} from "../../common/submission.ts";
import type { Core } from "../core.ts";

/** Ended ones that are remembered; the oldest are forgotten, in the store too. */
export const ENDED_SUBMISSIONS_KEPT: number = 1_000;
/** Not ended, at once. */
export const LIVE_SUBMISSIONS_MAX: number = 10_000;

export interface SubmissionRecord {
  /** `env` is empty once the program runs: it may hold secrets, and nobody needs it any more. */
  readonly spec: SubmissionSpec;
  readonly state: SubmissionState;
  readonly message: string;
  /** Where it runs; null while no node will do. */
  readonly nodeId: NodeId | null;
  /** Of the agent that runs it; null until it says so. */
  readonly epoch: number | null;
  readonly pid: number | null;
  readonly jobId: JobId | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Somebody asked for its end. */
  readonly isStopping: boolean;
  readonly submittedMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

/** A node that could run one. */
export interface SubmissionNode {
  readonly nodeId: NodeId;
  readonly epoch: number;
  readonly isHeadNode: boolean;
}

export type SubmissionEvent =
  /** `nodes`: those that are up. */
  | { readonly type: "submit"; readonly spec: SubmissionSpec; readonly nodes: readonly SubmissionNode[] }
  | { readonly type: "stop"; readonly submissionId: string }
  /** It has registered, for the first time or again. */
  | { readonly type: "nodeConnected"; readonly node: SubmissionNode }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly reason: string }
  | {
    readonly type: "started";
    readonly submissionId: string;
    readonly nodeId: NodeId;
    readonly epoch: number;
    readonly pid: number;
  }
  /** The driver said hello. */
  | { readonly type: "driverJoined"; readonly nodeId: NodeId; readonly pid: number; readonly jobId: JobId }
  | {
    readonly type: "ended";
    readonly submissionId: string;
    readonly nodeId: NodeId;
    readonly outcome: SubmissionOutcome;
  };

export type SubmissionEffect =
  | { readonly type: "persist"; readonly record: SubmissionRecord }
  | { readonly type: "forget"; readonly submissionId: string }
  /** To the agent: start it, unless it did already. After the commit. */
  | { readonly type: "start"; readonly nodeId: NodeId; readonly spec: SubmissionSpec }
  /** To the agent: end it, or never start it. */
  | { readonly type: "end"; readonly nodeId: NodeId; readonly submissionId: string }
  /** The request cannot be met. */
  | { readonly type: "refused"; readonly reason: string; readonly code: "EXISTS" | "FULL" };

export class SubmissionManager implements Core<SubmissionEvent, SubmissionEffect> {
  /** Live ones and the newest ended ones. */
  readonly #records: Map<string, SubmissionRecord> = new Map();
  /** All and only those that have not ended. */
  readonly #live: Set<string> = new Set();
  /** All and only ended ones, oldest first. */
  readonly #ended: Set<string> = new Set();

  /** `restored`: the store's after a restart of the head. */
  constructor(restored: readonly SubmissionRecord[] = []) {
    for (const record of [...restored].sort((a, b) => (a.endedMs ?? 0) - (b.endedMs ?? 0))) {
      this.#records.set(record.spec.submissionId, record);
      (FINAL_STATES.has(record.state) ? this.#ended : this.#live).add(record.spec.submissionId);
    }
  }

  step(nowMs: number, event: SubmissionEvent): readonly SubmissionEffect[] {
    const out: SubmissionEffect[] = [];
    switch (event.type) {
      case "submit":
        this.#submit(nowMs, event.spec, event.nodes, out);
        break;
      case "stop":
        this.#stop(nowMs, event.submissionId, out);
        break;
      case "nodeConnected":
        for (const record of this.#liveRecords()) this.#meet(nowMs, record, event.node, out);
        break;
      case "nodeDied":
        for (const record of this.#liveRecords()) {
          if (record.nodeId !== event.nodeId) continue;
          this.#fail(nowMs, record, `its node ${event.nodeId} died: ${event.reason}`, out);
        }
        break;
      case "started":
        this.#started(nowMs, event, out);
        break;
      case "driverJoined":
        for (const record of this.#liveRecords()) {
          const { nodeId, pid, jobId } = record;
          if (nodeId !== event.nodeId || pid !== event.pid || jobId !== null) continue;
          this.#put({ ...record, jobId: event.jobId }, out);
        }
        break;
      case "ended":
        this.#report(event.submissionId, event.nodeId, event.outcome, out);
        break;
      default:
        event satisfies never;
    }
    return out;
  }

  record(submissionId: string): SubmissionRecord | null {
    return this.#records.get(submissionId) ?? null;
  }

  records(): SubmissionRecord[] {
    return [...this.#records.values()];
  }

  /** Nodes on which something runs or is to run. */
  nodesInUse(): Set<NodeId> {
    return new Set(this.#liveRecords().flatMap(({ nodeId }) => nodeId ?? []));
  }

  check(): void {
    assert(this.#live.size + this.#ended.size === this.#records.size, "each is live or ended");
    for (const [id, record] of this.#records) {
      const ended = FINAL_STATES.has(record.state);
      assert(this.#ended.has(id) === ended && this.#live.has(id) === !ended, `${id} is in its list`);
      assert((record.endedMs !== null) === ended, `${id} has an end if it ended`);
      if (record.state === "RUNNING") {
        assert(record.nodeId !== null && record.pid !== null, `${id} runs somewhere`);
        assert(Object.keys(record.spec.env).length === 0, `${id} keeps no secrets`);
      }
    }
    assert(this.#ended.size <= ENDED_SUBMISSIONS_KEPT, "the list of ended ones is bounded");
  }

  #submit(
    nowMs: number,
    spec: SubmissionSpec,
    nodes: readonly SubmissionNode[],
    out: SubmissionEffect[],
  ): void {
    const { submissionId } = spec;
    if (this.#records.has(submissionId)) {
      const reason = `a job with the id ${submissionId} exists already: choose another one`;
      return void out.push({ type: "refused", reason, code: "EXISTS" });
    }
    if (this.#live.size >= LIVE_SUBMISSIONS_MAX) {
      const reason = `${this.#live.size} submitted jobs have not ended, limit ${LIVE_SUBMISSIONS_MAX}`;
      return void out.push({ type: "refused", reason, code: "FULL" });
    }
    const node = nodes.find((one) => fits(spec, one));
    const waits = spec.nodeId === null ? "it waits for the head's node" : `it waits for node ${spec.nodeId}`;
    this.#live.add(submissionId);
    this.#put({
      spec,
      state: "PENDING",
      message: node === undefined ? waits : "",
      nodeId: node?.nodeId ?? null,
      epoch: null,
      pid: null,
      jobId: null,
      exitCode: null,
      signal: null,
      isStopping: false,
      submittedMs: nowMs,
      startedMs: null,
      endedMs: null,
    }, out);
    if (node !== undefined) out.push({ type: "start", nodeId: node.nodeId, spec });
  }

  #stop(nowMs: number, submissionId: string, out: SubmissionEffect[]): void {
    const record = this.#records.get(submissionId);
    // Ended just now, or asked for before: the first request is on its way.
    if (record === undefined || FINAL_STATES.has(record.state)) return;
    if (record.nodeId === null) {
      return this.#end(record, "STOPPED", { ...NOTHING_RAN, message: STOPPED, endedMs: nowMs }, out);
    }
    if (!record.isStopping) this.#put({ ...record, isStopping: true }, out);
    out.push({ type: "end", nodeId: record.nodeId, submissionId });
  }

  #meet(nowMs: number, record: SubmissionRecord, node: SubmissionNode, out: SubmissionEffect[]): void {
    const { spec, state, nodeId, epoch, isStopping } = record;
    if (nodeId === null) {
      if (!fits(spec, node)) return;
      this.#put({ ...record, nodeId: node.nodeId, message: "" }, out);
      out.push({ type: "start", nodeId: node.nodeId, spec });
      return;
    }
    if (nodeId !== node.nodeId) return;
    if (state === "RUNNING" && epoch !== node.epoch) {
      return this.#fail(nowMs, record, `the agent of its node ${nodeId} died, and the program with it`, out);
    }
    // What was said to it last may not have arrived.
    if (isStopping) out.push({ type: "end", nodeId, submissionId: spec.submissionId });
    else if (state === "PENDING") out.push({ type: "start", nodeId, spec });
  }

  #started(
    nowMs: number,
    event: Extract<SubmissionEvent, { type: "started" }>,
    out: SubmissionEffect[],
  ): void {
    const record = this.#records.get(event.submissionId);
    // Resent, or it was declared dead meanwhile.
    if (record?.state !== "PENDING" || record.nodeId !== event.nodeId) return;
    const { epoch, pid } = event;
    const spec = { ...record.spec, env: {} };
    this.#put({ ...record, spec, state: "RUNNING", epoch, pid, startedMs: nowMs }, out);
  }

  #report(
    submissionId: string,
    nodeId: NodeId,
    outcome: SubmissionOutcome,
    out: SubmissionEffect[],
  ): void {
    const record = this.#records.get(submissionId);
    // Resent, or its node was declared dead meanwhile: the first word stands.
    if (record === undefined || record.nodeId !== nodeId || FINAL_STATES.has(record.state)) return;
    const state = record.isStopping ? "STOPPED" : outcome.exitCode === 0 ? "SUCCEEDED" : "FAILED";
    const message = record.isStopping ? STOPPED : outcome.message;
    this.#end(record, state, { ...outcome, message }, out);
  }

  #fail(nowMs: number, record: SubmissionRecord, message: string, out: SubmissionEffect[]): void {
    this.#end(record, "FAILED", { ...NOTHING_RAN, message, endedMs: nowMs }, out);
  }

  #end(
    record: SubmissionRecord,
    state: SubmissionState,
    { exitCode, signal, message, endedMs }: SubmissionOutcome,
    out: SubmissionEffect[],
  ): void {
    const { submissionId } = record.spec;
    this.#live.delete(submissionId);
    this.#ended.add(submissionId);
    const spec = { ...record.spec, env: {} };
    this.#put({ ...record, spec, state, exitCode, signal, message, endedMs }, out);
    if (this.#ended.size <= ENDED_SUBMISSIONS_KEPT) return;
    const oldest = this.#ended.values().next().value!;
    this.#ended.delete(oldest);
    this.#records.delete(oldest);
    out.push({ type: "forget", submissionId: oldest });
  }

  #put(record: SubmissionRecord, out: SubmissionEffect[]): void {
    this.#records.set(record.spec.submissionId, record);
    out.push({ type: "persist", record });
  }

  #liveRecords(): SubmissionRecord[] {
    return [...this.#live].map((id) => this.#records.get(id)!);
  }
}

const STOPPED = "it was stopped by request";
const NOTHING_RAN: { readonly exitCode: null; readonly signal: null } = { exitCode: null, signal: null };

function fits({ nodeId }: SubmissionSpec, node: SubmissionNode): boolean {
  return nodeId === null ? node.isHeadNode : nodeId === node.nodeId;
}
