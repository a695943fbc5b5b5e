/**
 * The core worker: what every driver and worker process has to be part of a cluster. It joins the parts (objects, tasks,
 * actors, functions, history) over one link to the node's agent. One at a time per process (current.ts).
 *
 *   connecting --open()--> connected --close()--> closed
 *        \---fail()----------------\-----------------^
 *
 * Calls may be submitted while it is connecting: messages wait in the link.
 * @module
 */
import { errorFacts } from "../../common/error_facts.ts";
import { isErrorCode, MobulaError, NodeDiedError, TaskError } from "../../common/errors.ts";
import { userClassNames } from "../../common/error_matching.ts";
import { type ActorId, type JobId, type NodeId, type ProcessId, type TaskId } from "../../common/ids.ts";
import { labelWishesOf } from "../../common/labels.ts";
import { placementOf } from "../../common/group_options.ts";
import type { AssignedGroup } from "../../common/placement_group.ts";
import { restrictedPrefix, runtimeEnvOf, type RuntimeEnvRequest } from "../../common/runtime_env.ts";
import { sha256Hex } from "../../common/sha256.ts";
import type { RuntimeEnv } from "../../common/public_types.ts";
import type { ErrorFacts } from "../../common/task_event.ts";
import type { DeathCause, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { OutputBatch } from "../../common/log_lines.ts";
import type { HeldRef } from "../../common/memory_facts.ts";
import type { CallFacts } from "../../common/why_facts.ts";
import type { CoreMethods, MessageLevel } from "../../protocol/messages.ts";
import { PushType, writeSequences } from "../../protocol/push.ts";
import { ByteWriter, registerClass } from "../../protocol/serialization/mod.ts";
import { recordsTasks, taskMaxRetries } from "../environment.ts";
import type { Handlers } from "../transport/rpc.ts";
import { AgentLink, type AgentRpc } from "./agent_link.ts";
import { ActorManager } from "./actors.ts";
import type { ActorRebuilds } from "./actor_rebuilds.ts";
import { ActorUses } from "./actor_uses.ts";
import { callSitesOfProcess } from "./call_sites.ts";
import { CancelManager } from "./cancels.ts";
import { exceptionNames } from "./actor_handle.ts";
import type { CoreContext, CurrentTask, Identity, WorkerAddress } from "./core_context.ts";
import { type CoreHost, type FolderAccess, NO_FOLDERS, randomHex } from "./core_host.ts";
import type { Entry } from "./entry.ts";
import { explainTask, sequenceOf, withStanding } from "./explain.ts";
import { heldRefs, tasksOf } from "./held_refs.ts";
import type { TaskContext } from "./execution_context.ts";
import { FunctionRecord, FunctionTable } from "./functions.ts";
import { ItemCalls, itemsOption } from "./item_calls.ts";
import type { ExportedCodec } from "../function_exporter.ts";
import { registeredCodecs } from "./class_codecs.ts";
import { type BlockingObserver, ObjectManager } from "./objects.ts";
import { processMetrics } from "./process_metrics.ts";
import { Puts } from "./puts.ts";
import { PlacementGroups } from "./placement_group.ts";
import { type PushChannel, RelayTable } from "./push_channel.ts";
import type { Rebuilds } from "./rebuilds.ts";
import { TaskRecorder } from "./recorder.ts";
import type { RemoteClass, RemoteCode, RemoteFunction } from "./remote_function.ts";
import { SubmitSites } from "./submit_sites.ts";
import { StoreAccess } from "./store_access.ts";
import type { CallShape } from "./own_task.ts";
import { TaskManager } from "./tasks.ts";
import { isInline, ValueCodec } from "./value_codec.ts";
import { valueExtension } from "./value_extension.ts";
import { UNKNOWN_DEATH } from "./worker_fates.ts";
import type { WorkerLink } from "./worker_link.ts";

export interface CoreWorkerOptions {
  readonly self: ProcessId;
  /** Known ahead where the cluster is this process's own; else "" until connected. */
  readonly node?: NodeId;
  readonly runtimeEnv?: RuntimeEnv;
  /** What the program gives that this is part of: nodeHost in a process. */
  readonly host: CoreHost;
  /** A worker's own environment, which its tasks inherit. */
  readonly ownEnv?: RuntimeEnvSpec;
  /** This process cannot reach its node's memory or sockets. */
  readonly isRemote?: boolean;
  /** A restricted worker: what it defines is kept apart from the code of others. */
  readonly isRestricted?: boolean;
  /** Opens a worker's own socket (workers of this node). */
  readonly connectWorker: (address: WorkerAddress, core: CoreWorker) => Promise<PushChannel>;
  /** The task that user code runs in; a driver has none. */
  readonly currentTask?: () => CurrentTask | null;
  readonly blocking?: BlockingObserver;
  /** One line for the user. */
  readonly onMessage?: (level: MessageLevel, text: string) => void;
  /** Of a worker: what a task printed last, for its error. */
  readonly linesOf?: (task: TaskContext | null) => readonly string[];
  /** What workers of a driver's job printed. */
  readonly onOutput?: (batches: readonly OutputBatch[]) => void;
}

/** By name, as they arrive from a worker. */
const TRANSPORT_ERRORS: ReadonlySet<string> = new Set([
  "ConnectError",
  "ConnectionClosedError",
  "OverloadError",
  "RequestTimeoutError",
]);

const NOT_BLOCKING: BlockingObserver = { enter: () => () => {} };

/** See the module's header. */
export class CoreWorker implements CoreContext {
  readonly identity: Identity;
  readonly runtimeEnv: RuntimeEnvRequest;
  readonly link: AgentLink;
  readonly codec: ValueCodec;
  readonly actorUses: ActorUses;
  readonly functions: FunctionTable;
  readonly recorder: TaskRecorder;
  readonly objects: ObjectManager;
  readonly puts: Puts;
  readonly cancels: CancelManager;
  readonly tasks: TaskManager;
  readonly actors: ActorManager;
  readonly groups: PlacementGroups = new PlacementGroups(this);
  readonly connected: Promise<void>;
  readonly store: StoreAccess;
  readonly workingDirs: FolderAccess;
  readonly itemCalls: ItemCalls = new ItemCalls();
  readonly sites: SubmitSites = new SubmitSites();
  readonly #relays: RelayTable;
  readonly #options: CoreWorkerOptions;
  readonly #connect = Promise.withResolvers<void>();
  readonly #clockMs = performance.timeOrigin;
  #sequence = 1;
  #closed: Error | null = null;

  constructor(options: CoreWorkerOptions) {
    this.#options = options;
    this.identity = {
      self: options.self,
      node: options.node ?? "" as NodeId,
      jobId: "" as JobId,
      namespace: "",
    };
    this.runtimeEnv = options.ownEnv ?? runtimeEnvOf(undefined, options.runtimeEnv);
    this.connected = this.#connect.promise;
    this.connected.catch(() => undefined); // Whoever waits hears of it.
    const identity = this.identity;
    const { host } = options;
    this.codec = new ValueCodec(host.readStack ?? null);
    this.link = new AgentLink(host.lostMessage);
    this.actorUses = new ActorUses(this.link);
    this.functions = new FunctionTable(this.link);
    this.workingDirs = host.openFolders?.(this.link) ?? NO_FOLDERS;
    this.store = new StoreAccess(this.link, options.isRemote === true ? null : host.openPool?.() ?? null);
    this.#relays = new RelayTable(this.link, identity.self);
    this.recorder = new TaskRecorder(
      {
        processId: identity.self,
        get nodeId() {
          return identity.node;
        },
        jobId: () => identity.jobId || null,
      },
      (batch) => this.connected.then(() => this.link.request("taskEvents", { batch })),
      recordsTasks(),
    );
    this.objects = new ObjectManager({
      identity,
      link: this.link,
      store: this.store,
      codec: this.codec,
      callSites: callSitesOfProcess(host.userLines),
      recorder: this.recorder,
      blocking: options.blocking ?? NOT_BLOCKING,
      released: (id) => this.tasks.rebuilds.released(id),
      lent: (id) => this.tasks.rebuilds.lent(id),
    });
    this.puts = new Puts(this, this.store);
    this.cancels = new CancelManager(this);
    this.tasks = new TaskManager(this);
    this.actors = new ActorManager(this, {
      randomHex,
      recordOf: (remoteClass: RemoteClass) => remoteClass.code.recordIn(this),
    });
    const parts = { codec: this.codec, objects: this.objects, actors: this.actors };
    this.codec.connect(valueExtension(this, parts), (hash) => this.#loadCodec(hash));
  }

  /** What the agent may ask of every process; a worker adds its own. */
  get handlers(): Handlers<CoreMethods> {
    return {
      reclaimLease: ({ leaseId }) => this.tasks.reclaim(leaseId),
      leaseLost: ({ leaseId, cause }) => this.tasks.leaseLost(leaseId, cause),
      actorStatus: ({ status }, sections) => this.actors.updated(status, sections[0]?.slice() ?? null),
      actorStatuses: ({ common, actors }) => {
        for (const [actorId, incarnation] of actors) {
          this.actors.updated({ ...common, actorId, incarnation }, null);
        }
      },
      cancelTask: (params) => this.cancels.routed(params),
      rebuildObject: (params) => this.tasks.rebuilds.rebuild(params),
      remakeObjects: (params, sections) => this.tasks.rebuilds.remake(params, sections),
      relayFrame: ({ relayId }, sections) => this.#relays.received(relayId, sections),
      closeRelay: ({ relayId }) => this.#relays.closed(relayId),
      explain: ({ id }) => ({ call: this.explain(id) }),
      heldRefs: (asked) => ({ refs: this.#heldRefs(asked) }),
      message: ({ level, text }) => this.#options.onMessage?.(level, text),
      output: ({ batches }) => this.#options.onOutput?.(batches),
      // From a turn of its own: what lies on the stack of this one counts as used.
      collectGarbage: () => void setTimeout(this.#options.host.collectGarbage, 0),
    };
  }

  /** Where a task or a creation of this process stands; null when it is none of them. */
  explain(id: string): CallFacts | null {
    if (id.startsWith("a-")) return this.actors.explainCreation(id as ActorId);
    const sequence = sequenceOf(id as TaskId, this.identity.self);
    if (sequence === null) return null;
    const facts = explainTask(sequence, this.tasks.underWay) ?? this.actors.explainCall(sequence);
    if (facts !== null) return withStanding(facts, this.itemCalls.takerOf(sequence)?.standing ?? null);
    if (sequence >= this.#sequence) return null;
    return { name: "", submittedMs: 0, attempt: 0, stage: { at: "ended" } };
  }

  #heldRefs(asked: { readonly limit: number; readonly id: string | null }): HeldRef[] {
    const { objects, tasks, actors } = this;
    const calls = [...tasksOf(tasks.underWay), ...actors.pendingCalls()];
    return heldRefs(objects.known(), calls, objects.bundles.refs(), objects.callSites, asked);
  }

  /** The link to the agent is there and the identity is set. */
  open(rpc: AgentRpc): void {
    this.link.open(rpc);
    // What a restricted worker says about classes would run in others.
    if (!this.isRestricted) { for (const codec of registeredCodecs()) this.exportCodec(codec); }
    this.#connect.resolve();
    void rpc.closed.then(() => this.close(this.link.lost(null)));
  }

  /** The last words for people: the history of tasks and user metrics. */
  async finish(): Promise<void> {
    processMetrics.flush();
    await this.recorder.close().catch(() => undefined);
  }

  /** It cannot be connected: everything that waits fails. */
  fail(error: Error): void {
    this.#connect.reject(error);
    this.close(error);
  }

  /** See CoreWorkerOptions.isRestricted. */
  get isRestricted(): boolean {
    return this.#options.isRestricted ?? false;
  }

  get closedReason(): Error | null {
    return this.#closed;
  }

  /** End this process's part: pending work fails with `reason`. Idempotent. */
  close(reason: Error): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    this.cancels.close();
    this.tasks.close(reason);
    this.actors.close(reason);
    this.#relays.closeAll(reason);
    this.objects.close(reason);
    this.store.close();
    this.link.fail(reason);
  }

  // ---- CoreContext -------------------------------------------------------------------------------------------------------

  nowMs(): number {
    return this.#clockMs + performance.now();
  }

  nextSequence(): number {
    return this.#sequence++;
  }

  get rebuilds(): Rebuilds {
    return this.tasks.rebuilds;
  }

  get actorRebuilds(): ActorRebuilds {
    return this.actors.rebuilds;
  }

  currentTask(): CurrentTask | null {
    return this.#options.currentTask?.() ?? null;
  }

  get inheritedGroup(): AssignedGroup | null {
    const group = this.#options.currentTask?.()?.assigned.group;
    return group?.capture === true ? group : null;
  }

  get namesPending(): boolean {
    return this.actors.namesPending;
  }

  afterNames(run: () => void): void {
    this.actors.afterNames(run);
  }

  openWorker(address: WorkerAddress): Promise<PushChannel> {
    // A restricted worker takes pushes from its agent only, which hides its socket.
    const isReachable = address.nodeId === this.identity.node && address.socketPath !== "";
    if (isReachable && !this.#options.isRemote) {
      return this.#options.connectWorker(address, this);
    }
    return this.#relays.open(address.nodeId, address.workerId);
  }

  acknowledgeReturned(link: WorkerLink, sequences: readonly number[]): void {
    const writer = new ByteWriter();
    writeSequences(writer, sequences);
    this.link.confirmHolds().then(
      () => link.send(PushType.returned, writer.bytes()),
      () => undefined, // The agent is gone; the worker lets go when the connection ends.
    );
  }

  isRetried(error: Uint8Array, retryExceptions: boolean | readonly string[]): boolean {
    if (typeof retryExceptions === "boolean") return retryExceptions;
    const thrown = this.#readError(error);
    if (typeof thrown !== "object" || thrown === null) return false;
    const names = userClassNames(thrown);
    return retryExceptions.some((name) => names.includes(name));
  }

  isTransient(error: Uint8Array): boolean {
    const thrown = this.#readError(error);
    // What is lost, refused or malformed stays so; code that could not be reached may be within reach the next time.
    if (thrown instanceof NodeDiedError) return true;
    if (thrown instanceof MobulaError) return !isErrorCode(thrown.code);
    return thrown instanceof Error && TRANSPORT_ERRORS.has(thrown.name);
  }

  async workerFate({ workerId, nodeId }: WorkerAddress): Promise<DeathCause> {
    try {
      const { result } = await this.link.request("workerFate", { workerId, nodeId });
      return result.cause ??
        (result.alive
          ? { code: "WORKER_DIED", message: "the connection to its worker broke" }
          : UNKNOWN_DEATH);
    } catch (error) {
      return { code: "NODE_DIED", message: `its node cannot be reached (${(error as Error).message})` };
    }
  }

  argumentError(failed: Entry, name: string, task: TaskId): Uint8Array {
    const cause = this.#readError(failed.payload as Uint8Array);
    const said = cause instanceof Error ? cause.message : String(cause);
    // The reason keeps its kind: a chain of tasks shows the first failure.
    if (cause instanceof MobulaError && !(cause instanceof TaskError)) return failed.payload as Uint8Array;
    return this.codec.encodeError(
      cause instanceof TaskError
        ? cause
        : new MobulaError(`${name} (${task}) did not run: ${failed.id} failed: ${said}`, { cause }),
    );
  }

  describeError(error: Uint8Array | null, task: TaskId): ErrorFacts {
    return errorFacts(error === null ? null : this.#readError(error), task);
  }

  /** What a task printed last, in a worker. */
  linesOf(task: TaskContext | null): readonly string[] {
    return this.#options.linesOf?.(task) ?? [];
  }

  /** An error for this process's own use, which goes on also with one that cannot be read here (yet: get() loads codecs). */
  #readError(encoded: Uint8Array): unknown {
    try {
      return this.codec.decodeError(encoded);
    } catch (error) {
      return new MobulaError(`an error that cannot be read here: ${(error as Error).message}`);
    }
  }

  // ---- code --------------------------------------------------------------------------------------------------------------

  defineCode(code: RemoteCode): FunctionRecord {
    const { name, source, captures } = code.definition;
    // A function that arrived as a value has no source here; workers take it from the function table.
    const encoded = captures === null ? null : this.#encodeCaptures(captures, name);
    const hash = encoded === null ? code.definition.hash : sha256Hex(code.definition.hash, encoded);
    if (encoded !== null) this.#options.host.sameSource?.(code.definition.hash, hash);
    const record = new FunctionRecord({
      hash: this.isRestricted && source !== null ? restrictedPrefix(this.identity.self) + hash : hash,
      kind: code.kind,
      name,
      source: source ?? "",
      captures: encoded,
    });
    if (source !== null) void this.functions.export(record).catch(() => undefined);
    return record;
  }

  /** A function that arrived as a value, loaded in this process. */
  async loadHere(code: RemoteCode): Promise<(...args: unknown[]) => unknown> {
    const { loadFunction } = this.#options.host;
    if (loadFunction === undefined) throw new TypeError("code that came from elsewhere is not run here");
    const { hash, kind, name } = code.recordIn(this);
    return await loadFunction({ hash, kind, name }, this) as (...args: unknown[]) => unknown;
  }

  /** Refs in captures stay counted as long as this process lives: the function may be called at any time. */
  #encodeCaptures(captures: Readonly<Record<string, unknown>>, name: string): Uint8Array {
    const encoded = this.codec.encode(captures, "captures");
    if (!isInline(encoded)) {
      throw new RangeError(
        `${name}: captures of ${encoded.bytes} bytes are too large to travel with the code; put() them`,
      );
    }
    for (const entry of encoded.held) entry.count++;
    return encoded.body;
  }

  /** A registered class's codec into the function table: receivers fetch it when they meet an instance. */
  exportCodec({ hash, name, source }: ExportedCodec): void {
    this.functions.exportCodec(hash, name, source).catch(() => undefined); // A lost agent is found out elsewhere.
  }

  /** A remote function's options, resolved for this cluster. Throws as placementOf. */
  callShape(remote: RemoteFunction, inherited: AssignedGroup | null): CallShape {
    const { givenOptions: options, code } = remote;
    const name = options.name ?? code.definition.name;
    const { resources, strategy, group } = placementOf(name, options, 1, inherited);
    const runtimeEnv = runtimeEnvOf(this.runtimeEnv, options.runtimeEnv);
    const labels = labelWishesOf(options);
    const maxRetries = options.maxRetries ?? taskMaxRetries();
    // What may not be run again has leases of its own: the memory monitor tells them apart by their lease.
    const kind = maxRetries === 0 ? ["once"] : [];
    const key = JSON.stringify([resources, strategy, labels, runtimeEnv.hash, ...kind]).replaceAll(
      "#",
      "%23",
    );
    if (this.#options.currentTask === undefined) this.sites.note(name);
    const record = code.recordIn(this);
    return {
      // The name travels with the definition.
      record: record.variant(options.name ?? record.name, options.maxCalls ?? (options.numGpus ? 1 : 0)),
      shape: { key, resources, strategy, ...labels, runtimeEnv, ...(group && { group }) },
      stats: this.recorder.stats(name, "NORMAL_TASK"),
      name,
      owner: this.identity.self,
      maxRetries,
      numReturns: options.numReturns ?? 1,
      retryExceptions: exceptionNames(options.retryExceptions ?? false),
      items: itemsOption(code.definition.streams, options),
      signal: options.signal ?? null,
      manager: this.tasks,
    };
  }

  async #loadCodec(hash: string): Promise<void> {
    const { name, source } = await this.functions.fetchCodec(hash);
    const { cls, codec } = this.#options.host.loadCodec({ source, hash, name });
    registerClass(cls, codec, hash, name);
  }
}
