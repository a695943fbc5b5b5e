/**
 * "Why is it not running?": collects, when somebody asks, what the head, the agents and the processes know of a task, an
 * actor or an object, and has the sentence made (core/why/). Who does not answer in time is left out. It only looks.
 * @module
 */
import type { ActorId, GroupId, NodeId, ObjectId, ProcessId, TaskId } from "../common/ids.ts";
import { taskOfObject } from "../common/ids.ts";
import type { TaskRow } from "../common/task_event.ts";
import type { CallFacts, LeaseFacts, MissingArgument } from "../common/why_facts.ts";
import { actorPickKey } from "../core/gcs/gcs_replies.ts";
import { leasePickKey } from "../core/scheduler/pick_request.ts";
import { actorSentence, objectSentence } from "../core/why/actor_sentence.ts";
import { groupSentence } from "../core/why/group_sentence.ts";
import { type PastAttempt, rowSentence, taskSentence } from "../core/why/task_sentence.ts";
import { type ArgumentFacts, clause } from "../core/why/words.ts";
import type { NodeMethods } from "../protocol/messages.ts";
import type { HeadServices } from "./head_methods.ts";
import { nodeTrouble, placeSentence, withDriver } from "./head_why_places.ts";

/** How long a node may take to answer, its processes included. */
const NODE_ANSWER_MS = 2_000;
/** A task waits for one that waits for one …: so many are told of in one sentence. */
const MAKERS_TOLD = 2;
/** How long the row of a task that has ended is waited for, and how often it is looked for. */
const ROW_WAIT_MS = 2_000;
const ROW_LOOK_MS = 100;
/** Missing arguments that are looked up. */
const ARGUMENTS_TOLD = 8;

/** The type of an error that a node's end causes. */
const NODE_DIED = "NodeDiedError";

/** The columns of a task's row that are told of an earlier attempt. */
type PastRow = PastAttempt & { readonly state: string; readonly nodeId: NodeId | null };

export class Why {
  readonly #services: HeadServices;
  readonly #nowMs: () => number;

  constructor(services: HeadServices, nowMs: () => number) {
    this.#services = services;
    this.#nowMs = nowMs;
  }

  /** @throws {RangeError} for an id that is none, or that nobody knows. */
  async explain(id: string): Promise<string> {
    const sentence = await this.#sentence(id);
    if (sentence !== null) return `${sentence}.`;
    throw new RangeError(
      `Nobody in the cluster knows ${
        JSON.stringify(id.slice(0, 100))
      }: it was never there, or is no longer remembered`,
    );
  }

  #sentence(id: string): Promise<string | null> {
    switch (id.slice(0, 2)) {
      case "t-":
        return this.#task(id as TaskId, MAKERS_TOLD);
      case "a-":
        return this.#actor(id as ActorId, MAKERS_TOLD);
      case "g-":
        return Promise.resolve(this.#group(id as GroupId));
      case "o-":
        return this.#object(id as ObjectId);
      case "n-":
      case "w-":
      case "j-":
        return Promise.resolve(placeSentence(this.#services, id, this.#nowMs()));
      default:
        throw new RangeError(
          "why explains tasks (t-…), actors (a-…), objects (o-…), placement groups (g-…), nodes (n-…), workers (w-…) " +
            `and jobs (j-…), not ${JSON.stringify(id.slice(0, 100))}`,
        );
    }
  }

  async #task(id: TaskId, makers: number): Promise<string | null> {
    // The task that creates an actor has the actor's name; so may look the twelfth of a process.
    const created = `a-${id.slice(2, -2)}` as ActorId;
    if (id.endsWith("-c") && this.#services.gcs.actors.record(created) !== null) {
      return await this.#actor(created, makers);
    }
    const owner = this.#processOf(id);
    if (owner === null) return withDriver(this.#services, id, await this.#ended(id), this.#nowMs());
    const { call, lease } = await this.#ask(owner.nodeId, "explainCall", { id, process: owner.processId }) ??
      { call: null, lease: null };
    if (call === null || call.stage.at === "ended") {
      const ended = call === null ? await this.#ended(id) : await this.#justEnded(id);
      if (ended !== null || call === null) return ended;
      return `${id} has ended; no row of it was kept`;
    }
    return await this.#pending(id, owner.processId, owner.nodeId, { call, lease }, makers);
  }

  async #pending(
    id: TaskId,
    owner: ProcessId,
    node: NodeId,
    { call, lease }: { call: CallFacts; lease: LeaseFacts | null },
    makers: number,
  ): Promise<string> {
    const { stage } = call;
    const requestId = stage.at === "queue" ? stage.requests[0] : undefined;
    const cluster = requestId === undefined ? null : this.#unplaced(leasePickKey(owner, requestId));
    const remote = lease?.phase === "forwarded" && requestId !== undefined
      ? (await this.#ask(lease.forwardedTo!, "explainLease", { submitter: owner, requestId }))?.lease ?? null
      : null;
    const missing = stage.at === "arguments"
      ? stage.missing
      : stage.at === "actor"
      ? stage.behind?.missing ?? []
      : [];
    const at = stage.at === "worker" ? stage : null;
    const trouble = at === null ? null : nodeTrouble(this.#services, at.nodeId, this.#nowMs());
    const worker = at === null || trouble !== null || at.ahead > 0 || at.nodeId as string === ""
      ? null
      : await this.#ask(at.nodeId, "explainWorker", { workerId: at.workerId });
    const actorId = stage.at === "actor" || stage.at === "actorWorker" ? stage.actorId : null;
    return taskSentence({
      id,
      nowMs: this.#nowMs(),
      owner,
      node,
      call,
      lease,
      remote,
      cluster,
      missing: await this.#arguments(missing, makers),
      before: call.attempt === 0 ? null : await this.#before(id, call.attempt),
      worker,
      trouble,
      actor: actorId === null ? null : await this.#actor(actorId, makers),
    });
  }

  /** Why the head has not picked a node for a request; null when it has, or was not asked. */
  #unplaced(key: string): string | null {
    const { scheduler, groups } = this.#services.gcs;
    const inGroup = groups.reason(key);
    return inGroup === null ? scheduler.reason(key) : clause(inGroup);
  }

  #group(groupId: GroupId): string | null {
    const { gcs, store } = this.#services;
    const record = gcs.groups.record(groupId);
    if (record === null) return null;
    const nodes = gcs.scheduler.available();
    return groupSentence({ record, nodes, nowMs: this.#nowMs(), storeWaiting: store.waitingFor });
  }

  /** How the newest attempt before this one ended, as far as its row has come. */
  async #before(id: TaskId, attempt: number): Promise<PastAttempt | null> {
    const rows = await this.#services.view.state.get(id) as unknown as PastRow[];
    const past = rows.filter((row) => row.state === "FAILED" && row.attempt < attempt);
    if (past.length === 0) return null;
    const newest = past.reduce((best, row) => row.attempt > best.attempt ? row : best);
    const trouble = newest.errorType === NODE_DIED ? this.#deadNode(newest.nodeId) : null;
    return trouble === null ? newest : { ...newest, errorMessage: trouble };
  }

  /** The same of one that ended just now: its row is on its way. */
  async #justEnded(id: TaskId): Promise<string | null> {
    for (let waitedMs = 0;; waitedMs += ROW_LOOK_MS) {
      const row = await this.#services.history.newestRow(id);
      const isFinal = row?.state === "FINISHED" || row?.state === "FAILED";
      if (isFinal || waitedMs >= ROW_WAIT_MS) return row === null ? null : this.#rowText(row);
      await new Promise((resolve) => setTimeout(resolve, ROW_LOOK_MS));
    }
  }

  #rowText(row: TaskRow): string {
    const sentence = rowSentence(row, this.#nowMs());
    const trouble = row.error?.type === NODE_DIED ? this.#deadNode(row.nodeId) : null;
    return trouble === null ? sentence : `${sentence}; ${trouble}`;
  }

  /** What the head knows of a node that is gone: the processes know less. */
  #deadNode(nodeId: NodeId | null): string | null {
    return nodeId === null ? null : nodeTrouble(this.#services, nodeId, this.#nowMs());
  }

  /** What is known of a task that its process has done with: its newest row. */
  async #ended(id: TaskId): Promise<string | null> {
    const row = await this.#services.history.newestRow(id);
    return row === null ? null : this.#rowText(row);
  }

  async #actor(actorId: ActorId, makers: number): Promise<string | null> {
    const { gcs, store } = this.#services;
    const record = gcs.actors.record(actorId);
    if (record === null) return await this.#creation(actorId, makers);
    const { spec, status, createdMs, startedMs, endedMs } = record;
    const { incarnation, nodeId, state } = status;
    const placed = nodeId !== null && (state === "PENDING_CREATION" || state === "RESTARTING");
    const lease = placed
      ? (await this.#ask(nodeId, "explainLease", { actorId, incarnation }))?.lease ?? null
      : null;
    const waiting = state === "DEPENDENCIES_UNREADY"
      ? spec.args.filter(({ id }) => gcs.objects.get(id) === null)
      : [];
    return actorSentence({
      spec,
      status,
      nowMs: this.#nowMs(),
      createdMs,
      startedMs,
      endedMs,
      missing: await this.#arguments(waiting, makers),
      placeAtMs: gcs.actors.placeAtMs(actorId),
      cluster: this.#unplaced(actorPickKey(actorId, incarnation)),
      lease,
      storeWaiting: store.waitingFor,
      restartCause: record.restartCause ?? null,
    });
  }

  /** An actor that the head has not heard of: one of the processes may be about to create it. */
  async #creation(actorId: ActorId, makers: number): Promise<string | null> {
    const { gcs } = this.#services;
    const answers = await Promise.all(
      gcs.nodes.members().map(async (nodeId) => {
        const facts = await this.#ask(nodeId, "explainCall", { id: actorId, process: null });
        return facts?.call === null || facts === null ? null : { nodeId, call: facts.call };
      }),
    );
    const found = answers.find((answer) => answer !== null);
    if (found === undefined || found === null) return null;
    const { nodeId, call } = found;
    // Of its own process nothing but the node is known.
    const id = actorId as string as TaskId;
    return await this.#pending(id, nodeId as string as ProcessId, nodeId, { call, lease: null }, makers);
  }

  async #object(id: ObjectId): Promise<string | null> {
    const { nodes, bytes, maker } = await this.#argument({ id, home: "" as NodeId }, MAKERS_TOLD);
    const loss = nodes.length > 0 ? null : this.#services.view.objects.losses.of(id);
    if (nodes.length === 0 && maker === null && loss === null) return null;
    return objectSentence({ id, nodes, bytes, maker, loss, nowMs: this.#nowMs() });
  }

  /** Those that are nowhere come first: they are what is waited for. */
  async #arguments(missing: readonly MissingArgument[], makers: number): Promise<ArgumentFacts[]> {
    const { objects } = this.#services.gcs;
    const absent = missing.filter(({ id }) => objects.get(id) === null);
    const told = absent.length > 0 ? absent : missing;
    const facts = await Promise.all(told.slice(0, ARGUMENTS_TOLD).map((one) => this.#argument(one, makers)));
    return [
      ...facts,
      ...told.slice(ARGUMENTS_TOLD).map(({ id }) => ({ id, nodes: [], bytes: 0, maker: null })),
    ];
  }

  async #argument({ id }: MissingArgument, makers: number): Promise<ArgumentFacts> {
    const entry = this.#services.gcs.objects.get(id);
    if (entry !== null) return { id, nodes: [...entry.holders], bytes: entry.bytes, maker: null };
    const task = taskOfObject(id);
    const maker = task === null || makers === 0 ? null : await this.#task(task, makers - 1);
    return { id, nodes: [], bytes: 0, maker };
  }

  /** The living process that submitted a task, by the task's id. */
  #processOf(id: TaskId): { processId: ProcessId; nodeId: NodeId } | null {
    const random = id.slice(2, id.lastIndexOf("-"));
    const { gcs, view } = this.#services;
    const worker = view.workers.rows.get(`w-${random}`);
    if (worker !== undefined && worker.state !== "DEAD") {
      return { processId: `w-${random}` as ProcessId, nodeId: worker.nodeId as NodeId };
    }
    const job = gcs.jobs.jobs().find(({ driverId, state }) =>
      driverId === `d-${random}` && state === "RUNNING"
    );
    return job === undefined ? null : { processId: job.driverId, nodeId: job.nodeId };
  }

  #ask<M extends "explainCall" | "explainLease" | "explainWorker">(
    nodeId: NodeId,
    method: M,
    params: NodeMethods[M]["params"],
  ): Promise<NodeMethods[M]["result"] | null> {
    return this.#services.nodes.ask(nodeId, method, params, NODE_ANSWER_MS);
  }
}
