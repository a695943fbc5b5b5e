/**
 * The actors that one process uses: creation, handles and their counting, lookup by name, and status from the GCS.
 * @module
 */
import { type ActorId, actorId } from "../../common/ids.ts";
import { labelWishesOf } from "../../common/labels.ts";
import { type Placement, placementOf } from "../../common/group_options.ts";
import { resourcesOf } from "../../common/options.ts";
import { runtimeEnvOf, type RuntimeEnvRequest } from "../../common/runtime_env.ts";
import type { TaskRow } from "../../common/task_event.ts";
import type { ActorSpec, ActorStatus, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { CallFacts, CallStage } from "../../common/why_facts.ts";
import { ActorClient, type ActorRegistry } from "./actor_client.ts";
import {
  type ActorHandle,
  checkBackpressure,
  clientOf,
  type HandleOwner,
  makeHandle,
  methodInfo,
} from "./actor_handle.ts";
import { ActorRebuilds, type ActorSource } from "./actor_rebuilds.ts";
import { type CallArguments, encodeArguments } from "./arguments.ts";
import { checkGroup } from "./concurrency_groups.ts";
import type { CoreContext } from "./core_context.ts";
import { explainCall, missingOf } from "./explain.ts";
import type { FunctionRecord } from "./functions.ts";
import { type HandleInfo, infoOf, withoutLookup } from "./handle_info.ts";
import { HostLinks } from "./host_links.ts";
import { ConsecutiveIds, type CreatedFrom, type LightCreation, LightCreations } from "./light_creations.ts";
import type { MethodInfo } from "./own_call.ts";
import type { FunctionStats, RunningSource } from "./recorder.ts";
import type { RemoteClass } from "./remote_function.ts";
import { WeakTable } from "./weak_table.ts";

/** What actors need of the core worker besides the shared context. */
export interface ActorHost {
  randomHex(bytes: number): string;
  recordOf(remoteClass: RemoteClass): FunctionRecord;
}

/** What an actor is made of, beside its class. */
interface Creating {
  readonly record: FunctionRecord;
  readonly args: CallArguments;
  readonly runtimeEnv: RuntimeEnvSpec;
  readonly placement: Placement;
  /** Where in the user's code; null unless call sites are recorded. */
  readonly callSite: string | null;
}

/** See the module's header. */
export class ActorManager implements ActorRegistry, ActorSource, HandleOwner, RunningSource {
  readonly #core: CoreContext;
  readonly #host: ActorHost;
  /** Two for an actor that was made with getIfExists and was there: what waits at one does not wait at the other. */
  readonly #clients = new WeakTable<ActorId, ActorClient>();
  /** Clients with calls under way: nobody else may hold them. */
  readonly #busy = new Set<ActorClient>();
  /** Names that are being registered, and what waits for them. */
  #naming = 0;
  #afterNames: (() => void)[] = [];
  readonly hosts: HostLinks;
  readonly #light: LightCreations;
  readonly #lightIds: ConsecutiveIds;
  readonly #methods = new WeakMap<RemoteClass, Readonly<Record<string, MethodInfo>>>();

  readonly rebuilds: ActorRebuilds;

  constructor(core: CoreContext, host: ActorHost) {
    this.#core = core;
    this.rebuilds = new ActorRebuilds(core, this);
    this.#host = host;
    this.hosts = new HostLinks(core);
    this.#lightIds = new ConsecutiveIds((bytes) => host.randomHex(bytes));
    this.#light = new LightCreations(core, {
      begin: (client) => this.#begin(client),
      specsOf: (...made) => this.#specsOf(...made),
      ended: (...made) => this.#lightCreated(...made),
    });
    core.recorder.addSource(this);
  }

  /** Whether calls are under way, or actors being made. */
  get isBusy(): boolean {
    return this.#busy.size > 0;
  }

  get namesPending(): boolean {
    return this.#naming > 0;
  }

  /** Where a call to an actor stands that is not done; null when there is none of that number. */
  explainCall(sequence: number): CallFacts | null {
    for (const client of this.#busy) {
      const facts = explainCall(sequence, client.info, client.calls);
      if (facts !== null) return facts;
    }
    return null;
  }

  /** Calls to actors, and creations, that are not done. */
  *pendingCalls(): Iterable<{ readonly args: CallArguments }> {
    for (const client of this.#busy) {
      yield* client.calls.all();
      if (client.args !== null) yield { args: client.args };
    }
  }

  /** Where the creation of an actor stands that this process has not been answered; null for any other one. */
  explainCreation(actorId: ActorId): CallFacts | null {
    for (const client of this.#busy) {
      const { args, making } = client;
      if (client.info.actorId !== actorId || !client.isCreating || args === null || making === null) continue;
      const { createdMs: submittedMs } = making;
      const stage: CallStage = args.isReady ? { at: "head" } : { at: "arguments", missing: missingOf(args) };
      return { name: client.info.className, submittedMs, attempt: 0, stage };
    }
    return null;
  }

  afterNames(run: () => void): void {
    if (this.#naming === 0) run();
    else this.#afterNames.push(run);
  }

  busyChanged(client: ActorClient): void {
    if (client.isBusy) this.#busy.add(client);
    else if (this.#busy.delete(client) && client.handles === 0) this.#end(client);
  }

  /** Create an actor; answers its handle at once. */
  create(remoteClass: RemoteClass, values: readonly unknown[]): ActorHandle {
    const core = this.#core;
    const { givenOptions: options, code } = remoteClass;
    const { name: className } = code.definition;
    const placement = placementOf(className, options, 0, core.inheritedGroup);
    if (options.isolation === "shared") {
      checkShared(className, runtimeEnvOf(core.runtimeEnv, options.runtimeEnv));
    }
    const args = encodeArguments(core, values, `new ${className}`);
    const methods = this.#methodsOf(remoteClass);
    const isNamed = options.name !== undefined;
    const info: HandleInfo = {
      actorId: actorId(options.isolation === "shared" ? this.#lightIds.next() : this.#host.randomHex(8)),
      home: core.identity.node,
      owner: core.identity.self,
      className,
      methods,
      ordered: (options.maxConcurrency ?? 1) === 1,
      ...(options.concurrencyGroups && { groups: options.concurrencyGroups }),
      maxTaskRetries: options.maxTaskRetries ?? 0,
      ...(options.checkpointEvery !== undefined && { checkpointEvery: options.checkpointEvery }),
      maxPendingCalls: options.maxPendingCalls ?? -1,
      ...(options.getIfExists && isNamed && {
        lookedUp: { name: options.name!, namespace: options.namespace ?? null },
      }),
      counted: !isNamed && options.lifetime !== "detached",
    };
    const client = this.#newClient(info);
    client.args = args;
    client.making = { createdMs: core.nowMs(), done: null };
    const handle = makeHandle(client, this);
    if (isNamed) this.#naming++;
    client.isCreating = true;
    this.busyChanged(client);
    const callSite = core.objects.callSites?.here() ?? null;
    if (options.isolation === "shared" && !isNamed && args.isReady) {
      client.making.done = this.#light.add({ client, args }, remoteClass, { placement, callSite });
      return handle;
    }
    const created = this.#create(client, remoteClass, { args, placement, callSite }).finally(() => {
      if (isNamed) this.#named();
      client.isCreating = false;
      client.making = null;
      this.busyChanged(client);
    });
    client.making.done = created;
    return handle;
  }

  /** The methods' defaults of the class and of its options; checked once. */
  #methodsOf(remoteClass: RemoteClass): Readonly<Record<string, MethodInfo>> {
    const known = this.#methods.get(remoteClass);
    if (known !== undefined) return known;
    const { givenOptions: options, code: { definition } } = remoteClass;
    const methods: Record<string, MethodInfo> = {};
    for (const [method, info] of Object.entries(definition.methods)) {
      const given = options.methods?.[method];
      if (given !== undefined) checkBackpressure(`${definition.name}.${method}`, info, given);
      methods[method] = given === undefined ? info : { ...info, ...methodInfo(given) };
      checkGroup(definition.name, options.concurrencyGroups, methods[method]);
    }
    for (const method of Object.keys(options.methods ?? {})) {
      if (!Object.hasOwn(methods, method)) {
        throw new TypeError(`Option methods.${method}: ${definition.name} has no such method`);
      }
    }
    this.#methods.set(remoteClass, methods);
    return methods;
  }

  /** The process is connected. */
  #begin(client: ActorClient): void {
    if (client.info.home === "") client.info = { ...client.info, home: this.#core.identity.node };
    this.#count(client, true);
  }

  async #create(
    client: ActorClient,
    remoteClass: RemoteClass,
    { args, placement, callSite }: Omit<Creating, "record" | "runtimeEnv">,
  ): Promise<void> {
    const core = this.#core;
    try {
      await core.connected;
      this.#begin(client);
      const failed = await new Promise<unknown>((resolve) => args.whenReady(resolve));
      if (failed !== null) {
        throw core.codec.decodeError(
          core.argumentError(failed as never, `new ${client.info.className}`, "" as never),
        );
      }
      for (const { producer, bytes } of args.resolved) {
        core.recorder.edge(producer, `new ${client.info.className}`, bytes);
        core.recorder.touch();
      }
      const ready = await this.#prepare(remoteClass);
      const spec = this.#specOf(client, remoteClass, { ...ready, args, placement, callSite });
      const getIfExists = remoteClass.givenOptions.getIfExists ?? false;
      const { result } = await core.link.request("createActor", { spec, getIfExists }, [args.block()]);
      if (result.actorId !== client.info.actorId) this.#adopt(client, result.spec);
      else if (client.info.lookedUp !== undefined) client.info = withoutLookup(client.info);
      core.link.notify("watchActor", { actorId: result.actorId });
    } catch (error) {
      args.release();
      client.creationFailed(error as Error);
    }
  }

  /** What must be in the cluster before an actor of the class can be made. */
  async #prepare(
    remoteClass: RemoteClass,
  ): Promise<{ readonly record: FunctionRecord; readonly runtimeEnv: RuntimeEnvSpec }> {
    const core = this.#core;
    const record = this.#host.recordOf(remoteClass);
    await core.functions.export(record);
    const env = runtimeEnvOf(core.runtimeEnv, remoteClass.givenOptions.runtimeEnv);
    return { record, runtimeEnv: await core.workingDirs.resolve(env) };
  }

  async #specsOf(
    creations: readonly LightCreation[],
    remoteClass: RemoteClass,
    from: CreatedFrom,
  ): Promise<ActorSpec[]> {
    const ready = await this.#prepare(remoteClass);
    const { client, args } = creations[0]!;
    const first = this.#specOf(client, remoteClass, { ...ready, ...from, args });
    return creations.map((each) => ({
      ...first,
      actorId: each.client.info.actorId,
      args: each.args.stored,
    }));
  }

  #lightCreated({ client, args }: LightCreation, error: Error | null): void {
    client.isCreating = false;
    if (error !== null) {
      args.release();
      client.creationFailed(error);
    }
    client.making = null;
    this.busyChanged(client);
  }

  /** getIfExists found another one: the handle now stands for that. */
  #adopt(client: ActorClient, spec: ActorSpec): void {
    this.#clients.delete(client.info.actorId, client);
    client.info = infoOf(spec);
    this.#clients.add(spec.actorId, client);
    client.args?.release();
  }

  #named(): void {
    if (--this.#naming > 0) return;
    const waiting = this.#afterNames;
    this.#afterNames = [];
    for (const run of waiting) run();
  }

  #specOf(
    client: ActorClient,
    remoteClass: RemoteClass,
    { record, args, runtimeEnv, placement, callSite }: Creating,
  ): ActorSpec {
    const { givenOptions: options } = remoteClass;
    const { identity } = this.#core;
    const { info } = client;
    return {
      actorId: info.actorId,
      jobId: identity.jobId,
      owner: identity.self,
      ownerNode: identity.node,
      className: info.className,
      classHash: record.hash,
      name: options.name ?? "",
      ...(callSite !== null && { callSite }),
      namespace: options.namespace ?? identity.namespace,
      detached: options.lifetime === "detached",
      maxRestarts: options.maxRestarts ?? 0,
      maxTaskRetries: info.maxTaskRetries,
      maxConcurrency: options.maxConcurrency ?? 1,
      ...(info.groups && { concurrencyGroups: info.groups }),
      maxPendingCalls: info.maxPendingCalls,
      ...(info.checkpointEvery !== undefined && { checkpointEvery: info.checkpointEvery }),
      resources: placement.resources,
      // A light actor needs no CPU of its own, not even to be placed.
      placementResources: resourcesOf(options, options.isolation === "shared" ? 0 : 1),
      strategy: placement.strategy,
      ...(options.isolation === "shared" ? { isolation: "shared" as const } : {}),
      ...(placement.group && { group: placement.group.info }),
      ...labelWishesOf(options),
      runtimeEnv,
      args: args.stored,
      methods: info.methods,
    };
  }

  // ---- handles -----------------------------------------------------------------------------------------------------------

  /** A handle for an actor that came from elsewhere: inside a value, or by name. */
  handleOf(info: HandleInfo): ActorHandle {
    let client = this.#clients.of(info.actorId)[0];
    if (client === undefined && info.lookedUp !== undefined) client = this.#lookUp(info);
    if (client === undefined) {
      client = this.#newClient(info);
      this.#count(client, false);
      // What is not counted may outlive its owner.
      const owner = info.counted ? info.owner : undefined;
      this.#core.link.notify("watchActor", { actorId: info.actorId, owner });
    }
    return makeHandle(client, this);
  }

  /** The sender's call waited until the name was there. */
  #lookUp(info: HandleInfo): ActorClient {
    const client = this.#newClient(info);
    client.isCreating = true;
    client.making = { createdMs: this.#core.nowMs(), done: this.#find(client) };
    this.busyChanged(client);
    return client;
  }

  async #find(client: ActorClient): Promise<void> {
    const { identity, link } = this.#core;
    const { name, namespace } = client.info.lookedUp!;
    try {
      const { result } = await link.request("getActor", { name, namespace: namespace ?? identity.namespace });
      if (result.spec.actorId !== client.info.actorId) this.#adopt(client, result.spec);
      else client.info = withoutLookup(client.info);
      link.notify("watchActor", { actorId: client.info.actorId });
    } catch (error) {
      client.creationFailed(error as Error);
    } finally {
      client.isCreating = false;
      client.making = null;
      this.busyChanged(client);
    }
  }

  async get(name: string, namespace: string | undefined): Promise<ActorHandle> {
    await this.#core.connected;
    await new Promise<void>((resolve) => this.afterNames(resolve));
    const { result } = await this.#core.link.request("getActor", {
      name,
      namespace: namespace ?? this.#core.identity.namespace,
    });
    return this.handleOf(infoOf(result.spec));
  }

  async kill(handle: unknown, noRestart: boolean): Promise<void> {
    const client = clientOf(handle, "kill()'s argument");
    await client.making?.done;
    await this.#core.link.request("killActor", { actorId: client.info.actorId, noRestart });
  }

  async ready(handle: unknown): Promise<void> {
    await clientOf(handle, "ready()'s argument").ready();
  }

  /** HandleOwner: the last handle of this process is gone. */
  handleReleased(client: ActorClient): void {
    // Submitted calls finish first.
    if (!this.#busy.has(client)) this.#end(client);
  }

  #end(client: ActorClient): void {
    if (client.isEnded) return;
    client.isEnded = true;
    const { actorId } = client.info;
    client.calls.dropKept(); // What a durable actor may lose is not repeated from here any more.
    this.#clients.delete(actorId, client);
    if (!this.rebuilds.isKept(actorId)) client.args?.release();
    client.use?.end();
    client.use = null;
    this.rebuilds.ended(client);
  }

  #count(client: ActorClient, owned: boolean): void {
    const { counted, actorId: id, home } = client.info;
    if (counted) client.use = this.#core.actorUses.begin({ id, home }, owned);
  }

  /** ActorSource. */
  liveClient(actorId: ActorId): ActorClient | undefined {
    return this.#clients.of(actorId).find(({ status }) => status?.state !== "DEAD");
  }

  /** ActorSource. */
  clientAgain(info: HandleInfo): ActorClient {
    const client = this.#newClient(info);
    this.#count(client, false);
    client.isCreating = true;
    this.busyChanged(client);
    return client;
  }

  /** ActorSource. */
  creationArgsOf(actorId: ActorId): CallArguments | null {
    for (const { args } of this.#clients.of(actorId)) if (args !== null) return args;
    return null;
  }

  #newClient(info: HandleInfo): ActorClient {
    const client = new ActorClient(this.#core, this, info);
    this.#clients.add(info.actorId, client);
    return client;
  }

  // ---- status ------------------------------------------------------------------------------------------------------------

  updated(status: ActorStatus, errorValue: Uint8Array | null): void {
    // None: its handles are gone; a late word.
    for (const client of this.#clients.of(status.actorId)) {
      if (status.incarnation < client.since) continue;
      client.updated(status, errorValue);
      if (status.state === "DEAD") client.args?.release();
    }
  }

  // ---- history -----------------------------------------------------------------------------------------------------------

  running(): Map<FunctionStats, number> {
    const counts = new Map<FunctionStats, number>();
    for (const client of this.#busy) {
      const stats = client.running();
      if (stats !== null) counts.set(stats, (counts.get(stats) ?? 0) + 1);
    }
    return counts;
  }

  longRunning(limit: number): TaskRow[] {
    const rows: TaskRow[] = [];
    for (const client of this.#busy) {
      if (rows.length >= limit) break;
      client.longRunning(limit - rows.length, rows);
    }
    return rows;
  }

  close(reason: Error): void {
    for (const client of this.#clients.takeAll()) client.close(reason);
    this.#busy.clear();
  }
}

/** Neighbours in one process could use what each of them was given. */
function checkShared(className: string, { permissions }: RuntimeEnvRequest): void {
  if (permissions === undefined) return;
  throw new RangeError(
    `${className}: isolation "shared" does not go with runtimeEnv.permissions: a sandbox is one actor's process`,
  );
}
