/**
 * The node agent, wired together: the local scheduler and its workers, this node's part of the object store, and the
 * connections to processes, head and other agents. It decides nothing itself.
 *
 *   meeting the head -> listening -> registered -> serving -> stopping
 *                                                    |
 *                                                    +-- fenced, or told to end: onEnd
 * @module
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { runtimeName } from "#platform";
import { PROTOCOL_VERSION } from "../common/config.ts";
import { AuthenticationError } from "../common/errors.ts";
import { hex, type NodeId, nodeId as makeNodeId, type ProcessId } from "../common/ids.ts";
import { fromUnits, type ResourceSet } from "../common/resources.ts";
import type { DeathCause } from "../common/task_spec.ts";
import { LogSearcher } from "../io/logs/log_searcher.ts";
import type { ObjectStore, StoreHost } from "../io/store/store_host.ts";
import type { Connection } from "../io/transport/connection.ts";
import { Gate } from "../io/transport/handshake.ts";
import type { PipePath, TlsOptions } from "../io/transport/http2.ts";
import { type Http2Listener, listenHttp2 } from "../io/transport/http2_server.ts";
import { Rpc } from "../io/transport/rpc.ts";
import { listenUnix, type UnixListener } from "../io/transport/unix.ts";
import type { Heartbeat, Hello, NodeRegistration, NodeRow, Welcome } from "../protocol/messages.ts";
import { Actors } from "./agent_actors.ts";
import { NodeDrain } from "./agent_drain.ts";
import { FunctionCache } from "./agent_functions.ts";
import { type AgentParts, nodeHandlers, peerHandlers, processHandlers } from "./agent_handlers.ts";
import { Environments, headSource } from "./agent_environments.ts";
import { HeadLink, type RegisterAnswer } from "./agent_head_link.ts";
import { HeartbeatSender } from "./agent_heartbeat.ts";
import { Jobs } from "./agent_jobs.ts";
import { Leases } from "./agent_leases.ts";
import { MemoryWatch } from "./agent_memory.ts";
import { AgentMetrics } from "./agent_metrics.ts";
import { Heirs } from "./agent_heirs.ts";
import { AgentStoreHost } from "./agent_objects.ts";
import { OutputRouter } from "./agent_output.ts";
import { type PeerRpc, Peers } from "./agent_peers.ts";
import { PeopleReports } from "./agent_people.ts";
import { type AttachedProcess, ProcessTable } from "./agent_processes.ts";
import { Relays } from "./agent_relays.ts";
import { Sandbox } from "./agent_sandbox.ts";
import { type AgentPaths, agentPaths, prepareAgentDir, resourcesOf } from "./agent_session.ts";
import { Submissions, type SubmissionsOptions } from "./agent_submissions.ts";
import { Tracer } from "./agent_tracer.ts";
import { type WorkerProcess, WorkerProcesses } from "./agent_workers.ts";
import { type AgentConfig, readTlsFiles, readToken, tokenPath } from "./config.ts";

/** The head hears of a clean leave if it answers within this long. */
const GOODBYE_MS = 1_000;

export interface AgentOptions {
  /** Opens this node's object store on behalf of the host. */
  readonly openStore: (host: StoreHost) => Promise<ObjectStore>;
  /** The cluster ends, or the head does not accept this incarnation any more (`fenced`): stop() and exit. */
  readonly onEnd: (reason: string, fenced: boolean) => void;
  readonly log: (text: string) => void;
}

/** Milliseconds since the epoch from a clock that never steps back. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

export class Agent {
  readonly nodeId: NodeId;
  /** This run of the node: a later one has a higher number. */
  readonly #epoch: number = Date.now();
  readonly #startedMs: number = Date.now();
  readonly #config: AgentConfig;
  readonly #options: AgentOptions;
  readonly #token: string;
  readonly #tls: TlsOptions | undefined;
  readonly #paths: AgentPaths;
  readonly #resources: ResourceSet;
  readonly #processes: ProcessTable = new ProcessTable();
  readonly #head: HeadLink;
  readonly #peers: Peers;
  readonly #metrics: AgentMetrics;
  readonly #output: OutputRouter;
  #parts: AgentParts | null = null;
  #storeHost: AgentStoreHost | null = null;
  #clusterId: string = "";
  #dashboardUrl: string | null = null;
  #http2: Http2Listener | null = null;
  #unix: UnixListener | null = null;
  #heartbeats: HeartbeatSender | null = null;
  #people: PeopleReports | null = null;
  #memory: MemoryWatch | null = null;
  #leaveReason: string = "it left";
  #stopping: Promise<void> | null = null;

  /** Starts an agent; resolves when the head has registered it. Rejects, with nothing left behind, when that fails. */
  static async start(config: AgentConfig, options: AgentOptions): Promise<Agent> {
    const agent = new Agent(config, options);
    try {
      await agent.#start();
      return agent;
    } catch (error) {
      await agent.stop();
      throw error;
    }
  }

  private constructor(config: AgentConfig, options: AgentOptions) {
    this.#config = config;
    this.#options = options;
    this.nodeId = (config.nodeId ?? makeNodeId(hex(randomBytes(8)))) as NodeId;
    this.#token = readToken(config.sessionDir);
    this.#tls = config.tls === undefined ? undefined : readTlsFiles(config.tls);
    this.#paths = agentPaths(config.sessionDir, this.nodeId);
    this.#resources = resourcesOf(config.resources);
    this.#metrics = new AgentMetrics({
      nodeId: this.nodeId,
      resources: this.#resources,
      workers: () => this.#people?.workers() ?? [],
      memoryKills: () => this.#memory?.kills ?? 0,
    });
    const hello = (purpose: Hello["purpose"]): Hello => this.#hello(purpose);
    const parts = (): AgentParts => this.#parts!;
    this.#head = new HeadLink({
      address: config.headAddress,
      hello,
      tls: this.#tls,
      handlers: nodeHandlers(parts, { nodes: (rows) => this.#nodesChanged(rows), shutdown: options.onEnd }),
      registration: () => this.#registration(),
      onRegistered: (answer) => this.#registered(answer),
      onFenced: (reason) => options.onEnd(`The head does not accept this node any more: ${reason}`, true),
      log: options.log,
    });
    this.#peers = new Peers({
      nodeId: this.nodeId,
      hello,
      tls: this.#tls,
      handlers: (peer) => peerHandlers(peer, parts),
      onLost: (peer, direction, rpc) => this.#peerLost(peer, direction, rpc),
    });
    this.#output = new OutputRouter(this.nodeId, this.#processes, this.#peers, parts);
  }

  get clusterId(): string {
    return this.#clusterId;
  }
  /** HOST:PORT where other agents and remote drivers reach it. */
  get address(): string {
    return this.#http2?.address ?? "";
  }
  get socketPath(): string {
    return this.#paths.socket;
  }

  /** Leave the cluster: end all workers, remove sockets and the store. Idempotent. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #start(): Promise<void> {
    this.#clusterId = await this.#head.meet();
    prepareAgentDir(this.#paths);
    this.#parts = await this.#build();
    const gate = new Gate({
      token: this.#token,
      clusterId: this.#clusterId,
      accept: (hello) => this.#accept(hello),
      secretOf: ({ role, id }) =>
        role === "worker" ? this.#parts!.workers.get(id as ProcessId)?.secret ?? null : null,
    });
    this.#http2 = await listenHttp2({
      host: this.#config.host,
      port: this.#config.port,
      gate,
      onConnection: (connection, hello, path) => this.#connected(connection, hello, path),
      objects: (ask) => this.#parts!.store.serve(ask),
      ...(this.#tls === undefined ? {} : { tls: this.#tls }),
    });
    this.#unix = await listenUnix({
      path: this.#paths.socket,
      gate,
      onConnection: (connection, hello) => this.#attach(connection, hello, false),
    });
    const { host, metricsPort } = this.#config;
    if (metricsPort !== undefined) {
      const address = { host, port: metricsPort, token: this.#token, tls: this.#tls };
      await this.#metrics.listen(this.#parts, address);
    }
    await this.#head.start();
    this.#heartbeats = new HeartbeatSender({
      address: this.#config.headAddress,
      hello: (purpose) => this.#hello(purpose),
      tls: this.#tls,
      view: () => {
        this.#people?.tell();
        return this.#view();
      },
      spillDir: this.#config.spillDir,
      isRegistered: () => this.#head.isUp,
      onStuck: (why) => this.#head.reconnect(why),
    });
    this.#heartbeats.beat();
    this.#parts.leases.step({ type: "prestart", count: this.#config.prestart });
  }

  get #cpus(): number {
    return fromUnits(this.#resources)["CPU"] ?? 1;
  }

  get #place(): Omit<SubmissionsOptions, "nodeId" | "head"> {
    return { config: this.#config, paths: this.#paths, token: this.#token, epoch: this.#epoch };
  }

  async #build(): Promise<AgentParts> {
    const [nodeId, head, peers, processes] = [this.nodeId, this.#head, this.#peers, this.#processes] as const;
    const tracer = new Tracer(nodeId, this.#epoch, head, nowMs);
    const clusterId = this.#clusterId;
    const heirs = new Heirs({ nodeId, head, peers, processes, store: () => store });
    const shared = { nodeId, head, peers, processes, tracer, log: this.#options.log, heirs };
    const storeHost = new AgentStoreHost({ ...shared, clusterId, token: this.#token, tls: this.#tls });
    this.#storeHost = storeHost;
    const store = await this.#options.openStore(storeHost);
    const workers = this.#buildWorkers(clusterId);
    const leases = new Leases({
      nodeId,
      leaseIdPrefix: `l-${nodeId.slice(2, 10)}-${this.#epoch.toString(36)}-`,
      resources: this.#resources,
      labels: this.#config.resources.labels,
    }, { ...shared, workers, store, nowMs, onBundlesChanged: () => this.#heartbeats?.beatSoon() });
    this.#memory = new MemoryWatch({ ...shared, scheduler: leases.scheduler, workers });
    const headAddress = this.#config.headAddress;
    const actors = new Actors({ ...shared, leases, workers, nowMs, cpus: this.#cpus });
    this.#people = new PeopleReports({ head, workers, leases, actors, store });
    return {
      nodeId,
      headAddress,
      head,
      peers,
      processes,
      workers,
      leases,
      actors,
      jobs: new Jobs({
        warnings: storeHost.warnings,
        nodeId,
        headAddress,
        resources: this.#resources,
        head,
        leases,
        metrics: this.#metrics.user,
        dashboardUrl: () => this.#dashboardUrl,
        prestart: this.#config.prestart,
      }),
      relays: new Relays({
        nodeId,
        peers,
        hello: (purpose) => this.#hello(purpose),
        workerOf: (workerId) => {
          const worker = workers.get(workerId);
          return worker?.ready === true ? worker : null;
        },
        processOf: (id) => processes.get(id) ?? null,
      }),
      functions: new FunctionCache(head),
      heirs,
      store,
      tracer,
      metrics: this.#metrics.user,
      submissions: new Submissions({ nodeId, head, ...this.#place }),
      ...{ output: this.#output, logs: new LogSearcher(this.#paths.logs), logFolder: this.#paths.logs },
      drain: new NodeDrain({
        ...shared,
        leases,
        workers,
        store,
        nowMs,
        leave: (reason) => this.#drained(reason),
      }),
    };
  }

  #drained(reason: string): void {
    this.#leaveReason = `it was drained: ${reason}`;
    this.#options.onEnd(this.#leaveReason, false);
  }

  #buildWorkers(clusterId: string): WorkerProcesses {
    const { sessionDir, workerRuntime } = this.#config;
    return new WorkerProcesses({
      config: {
        sessionDir,
        agentSocket: this.#paths.socket,
        nodeId: this.nodeId,
        clusterId,
        tokenPath: tokenPath(sessionDir),
        hasGpus: (this.#resources["GPU"] ?? 0) > 0,
        agentPid: process.pid,
      },
      environments: new Environments({ dir: join(this.#paths.dir, "e"), source: headSource(this.#head) }),
      storeDir: this.#config.objectStoreDir ?? "/dev/shm",
      socketDir: this.#paths.dir,
      logDir: this.#paths.logs,
      runtime: workerRuntime,
      onStartFailed: (startId, message, final) => {
        this.#parts?.leases.step({ type: "workerStartFailed", startId, message, final });
      },
      onExit: (worker, cause, intended) => this.#workerExited(worker, cause, intended),
      onOutput: (worker, lines) => this.#output.deliver(worker, lines),
      askToExit: (id, reason) => this.#processes.notify(id, "exitWorker", { reason }),
    });
  }

  #hello(purpose: Hello["purpose"]): Hello {
    return {
      version: PROTOCOL_VERSION,
      token: this.#token,
      role: "agent",
      id: this.nodeId,
      clusterId: this.#clusterId === "" ? null : this.#clusterId,
      epoch: this.#epoch,
      pid: process.pid,
      runtime: runtimeName,
      purpose,
      nodeId: this.nodeId,
    };
  }

  #accept(hello: Hello): Welcome | Error {
    const welcome: Welcome = {
      version: PROTOCOL_VERSION,
      clusterId: this.#clusterId,
      id: this.nodeId,
      nodeId: this.nodeId,
    };
    const { id, role } = hello;
    if (role === "agent") {
      const row = this.#peers.row(id as NodeId);
      // A node that joined just now may be unknown here until the head's news arrive; a dead one is not let in.
      return row?.state === "DEAD" ? new AuthenticationError(`${id} was declared dead.`) : welcome;
    }
    if (role !== "driver" && role !== "worker") {
      return new AuthenticationError(`An agent has no use for a ${role}.`);
    }
    if (this.#processes.get(id as ProcessId) !== undefined) {
      return new AuthenticationError(`${id} is attached already.`);
    }
    if (this.#processes.isFull) return new Error(`Too many processes are attached to ${this.nodeId}.`);
    const expected = role === "driver" || this.#parts!.workers.get(id as ProcessId) !== undefined;
    return expected ? welcome : new AuthenticationError(`${id} was not started by ${this.nodeId}.`);
  }

  #connected(connection: Connection, hello: Hello, path: PipePath): void {
    if (path !== "/control") return connection.close();
    if (hello.role === "agent") this.#peers.accept(hello.id as NodeId, connection);
    else this.#attach(connection, hello, true);
  }

  #attach(connection: Connection, hello: Hello, remote: boolean): void {
    const worker = this.#parts!.workers.get(hello.id as ProcessId);
    const sandbox = worker === undefined || worker.secret === null
      ? null
      : new Sandbox(worker.id, worker.env);
    const attached: AttachedProcess = {
      id: hello.id as ProcessId,
      role: hello.role === "worker" ? "worker" : "driver",
      rpc: new Rpc(connection),
      pid: hello.pid,
      runtime: hello.runtime,
      remote: remote || sandbox !== null,
      sandbox,
      jobId: null,
      namespace: "",
      owned: 0,
      quiet: false,
      ended: false,
      watching: new Set(),
    };
    attached.rpc.handle(processHandlers(attached, this.#parts!));
    this.#processes.add(attached);
    attached.rpc.closed.then(() => this.#detach(attached));
  }

  /** A process's connection is over; everything that it held here goes. Once. */
  #detach(attached: AttachedProcess): void {
    if (this.#processes.get(attached.id) !== attached || this.#parts === null) return;
    this.#processes.delete(attached.id);
    const { relays, store, actors, leases, jobs, workers, submissions } = this.#parts;
    relays.processDied(attached);
    actors.watches.processDied(attached);
    leases.step({ type: "submitterDied", submitter: attached.id });
    if (attached.role === "driver") jobs.driverGone(attached, submissions.exitOf(attached.pid));
    else workers.disconnected(attached.id);
    store.processDied(attached.id);
    this.#metrics.user.processEnded(attached.id);
  }

  #workerExited(worker: WorkerProcess, cause: DeathCause, intended: boolean): void {
    if (this.#parts === null) return;
    this.#memory?.workerExited(worker.id);
    const attached = this.#processes.get(worker.id);
    if (attached !== undefined) {
      this.#detach(attached);
      attached.rpc.connection.destroy(null);
    }
    this.#parts.leases.step({ type: "workerExited", workerId: worker.id, cause });
    this.#parts.actors.workerExited(worker, cause, intended);
  }

  #registration(): NodeRegistration {
    const { actors, store, leases } = this.#parts!;
    return {
      nodeId: this.nodeId,
      epoch: this.#epoch,
      address: this.address,
      hostname: hostname(),
      pid: process.pid,
      runtime: runtimeName,
      sessionDir: this.#config.sessionDir,
      isHeadNode: this.#config.isHeadNode,
      resources: this.#resources,
      labels: this.#config.resources.labels,
      objectStoreBytes: store.usage().capacity,
      objects: store.objects(),
      actors: actors.statuses(),
      drivers: this.#processes.drivers(),
      bundles: leases.scheduler.bundles.reports(),
    };
  }

  #registered(answer: RegisterAnswer): void {
    const { jobs, actors } = this.#parts!;
    this.#dashboardUrl = answer.dashboardUrl;
    this.#nodesChanged(answer.nodes);
    for (const jobId of answer.endedJobs) jobs.ended(jobId);
    actors.ended(answer.endedActors);
    actors.watches.watchAgain();
    this.#people?.tellAgain();
  }

  #nodesChanged(rows: readonly NodeRow[]): void {
    if (this.#parts === null) return;
    const died = this.#peers.setNodes(rows);
    this.#parts.leases.step({ type: "peersChanged", alive: this.#peers.alive });
    for (const node of died) this.#parts.store.nodeDied(node);
  }

  #peerLost(peer: NodeId, direction: "outgoing" | "incoming", rpc: PeerRpc): void {
    this.#parts?.relays.peerLost(rpc);
    this.#parts?.leases.step({ type: "peerLost", nodeId: peer, direction });
  }

  #view(): Omit<Heartbeat, "sequence" | "cpuPercent" | "rssBytes" | "machine"> {
    const { leases: { scheduler }, store, actors } = this.#parts!;
    const usage = store.usage();
    return {
      nodeId: this.nodeId,
      epoch: this.#epoch,
      available: scheduler.available,
      demand: scheduler.demand(),
      storeUsedBytes: usage.used,
      storeObjects: usage.objects,
      storeSpilledBytes: usage.spilled,
      workers: scheduler.workerCount,
      leases: scheduler.leaseCount,
      memoryKills: this.#memory?.kills ?? 0,
      ...scheduler.load(),
      waitingActors: actors.waiting(),
      bundles: scheduler.bundles.loads(),
      bandwidth: store.pulls.bandwidth(),
      ...(this.#metrics.port !== null && { metricsPort: this.#metrics.port }),
    };
  }

  async #stop(): Promise<void> {
    this.#heartbeats?.close();
    this.#memory?.close();
    const parts = this.#parts;
    parts?.drain.close();
    const leave = { nodeId: this.nodeId, epoch: this.#epoch, reason: this.#leaveReason };
    await this.#head.leave(leave, GOODBYE_MS);
    await Promise.all([parts?.workers.close(), parts?.submissions.close()]);
    parts?.leases.close();
    parts?.relays.close();
    parts?.tracer.close();
    parts?.logs.close();
    this.#head.close();
    this.#peers.close();
    for (const { rpc } of this.#processes.all()) rpc.close();
    await Promise.all([this.#unix?.close(), this.#http2?.close(), this.#metrics.close()]);
    this.#storeHost?.close();
    parts?.store.close();
    rmSync(this.#paths.dir, { recursive: true, force: true });
    const lifetimeMs = Math.round(Date.now() - this.#startedMs);
    this.#options.log(`The agent ${this.nodeId} ended after ${lifetimeMs} ms.`);
  }
}
