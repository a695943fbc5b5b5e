/**
 * The head: the GCS, the global scheduler, the store process and the HTTP API with the dashboard, wired together. It serves
 * from memory; what it promises is in the store. A head that starts on a store goes on where the last one stopped: nodes
 * register again, and what runs goes on meanwhile.
 *
 *   opening the store -> restoring -> serving -> stopping
 *          |                             |
 *          +-- refused: start() rejects  +-- the store failed for good: onFatal (exit 70)
 * @module
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HEARTBEAT_INTERVAL_MS, PROTOCOL_VERSION } from "../common/config.ts";
import { AuthenticationError } from "../common/errors.ts";
import { hex, type NodeId } from "../common/ids.ts";
import { Gcs } from "../core/gcs/gcs.ts";
import { jobHistorySettings, nodeReconnectMs } from "../io/environment.ts";
import { StoreReader } from "../io/storage/reader_client.ts";
import type { NodeRecord } from "../core/gcs/node_manager.ts";
import { type GcsStore, openStore } from "../io/storage/store_client.ts";
import type { StoreError } from "../io/storage/store_error.ts";
import { EntityReads } from "../io/telemetry/entity_reads.ts";
import { ClusterView } from "../io/telemetry/cluster_view.ts";
import { TelemetryClient } from "../io/telemetry/telemetry_client.ts";
import { ATTEMPTS_MAX } from "../io/telemetry/tasks/task_telemetry.ts";
import type { Connection } from "../io/transport/connection.ts";
import { Gate } from "../io/transport/handshake.ts";
import type { PipePath, TlsOptions } from "../io/transport/http2.ts";
import { type Http2Listener, listenHttp2 } from "../io/transport/http2_server.ts";
import { Rpc } from "../io/transport/rpc.ts";
import type { HeadMethods, Hello, NodeMethods, Welcome } from "../protocol/messages.ts";
import { type HeadConfig, readToken, type TlsFiles } from "./config.ts";
import { ActorEvents } from "./head_actor_events.ts";
import { ActorBytes } from "./head_actors.ts";
import { HeadEffects } from "./head_effects.ts";
import { FunctionTable } from "./head_functions.ts";
import { TaskHistory } from "./head_history.ts";
import { type HeadHttp, openHeadHttp } from "./head_http.ts";
import { sweepCheckpoints } from "./head_checkpoints.ts";
import { jobService } from "./head_job_service.ts";
import { JobRecords, type JobRecordsOptions } from "./head_job_records.ts";
import { KeyValueTable } from "./head_kv.ts";
import { agentHandlers, cliHandlers, type HeadServices, heartbeatHandlers } from "./head_methods.ts";
import { ClusterLogs } from "./head_logs.ts";
import { HeadNodes } from "./head_nodes.ts";
import { queryServices } from "./head_queries.ts";
import { restoredRecords } from "./head_records.ts";
import { HeadSubmissions } from "./head_submissions.ts";

/** How long a stopping head waits for its last commit, should the store be away. */
const STORE_CLOSE_MS = 5_000;
/** How long agents get to read that the cluster ends. */
const GOODBYE_MS = 200;

export interface HeadOptions {
  /** The store failed for good: the process must exit (70). */
  readonly onFatal: (error: StoreError) => void;
  /** Somebody asked for the cluster's end (stopCluster): stop() and exit. */
  readonly onStop: (reason: string) => void;
  readonly log: (line: string) => void;
}

/** Milliseconds since the epoch from a clock that never steps back. */
function nowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}

export class Head {
  readonly #config: HeadConfig;
  readonly #options: HeadOptions;
  readonly #token: string;
  readonly #store: GcsStore;
  readonly #telemetry: TelemetryClient;
  readonly #view: ClusterView;
  readonly #nodes: HeadNodes;
  readonly #effects: HeadEffects;
  readonly #history: TaskHistory;
  readonly #services: HeadServices;
  readonly #startedMs: number = nowMs();
  #listener: Http2Listener | null = null;
  #http: HeadHttp | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopping: Promise<void> | null = null;

  /** Opens the store, restores, listens. Rejects, with nothing left behind, when one of these fails. */
  static async start(config: HeadConfig, options: HeadOptions): Promise<Head> {
    const store = await openStore({
      url: config.store,
      dir: storeDir(config),
      runtime: config.runtime,
      clusterId: `c-${hex(randomBytes(8))}`,
      onFatal: options.onFatal,
      limits: recordLimits(),
      onState: ({ waiting, message }) =>
        options.log(
          waiting ? `the store takes no writes, they wait: ${message}` : "the store takes writes again",
        ),
    });
    const head = new Head(config, options, store);
    try {
      await head.#history.restore();
      await head.#listen();
      return head;
    } catch (error) {
      await head.#telemetry.close();
      await store.close();
      throw error;
    }
  }

  private constructor(config: HeadConfig, options: HeadOptions, store: GcsStore) {
    this.#config = config;
    this.#options = options;
    this.#store = store;
    this.#token = readToken(config.sessionDir);
    const { loaded } = store;
    const gcs = new Gcs(nowMs(), restoredRecords(loaded), nodeReconnectMs());
    this.#telemetry = new TelemetryClient({
      runtime: config.runtime,
      attemptsMax: ATTEMPTS_MAX,
      log: options.log,
      onRestart: () => void this.#history.restoreTelemetry().catch(() => undefined),
    });
    this.#view = new ClusterView({ now: nowMs, telemetry: this.#telemetry });
    this.#nodes = new HeadNodes(store);
    this.#history = new TaskHistory(store, this.#view, nowMs);
    const actorBytes = new ActorBytes(loaded);
    const dashboardUrl = () => this.dashboardUrl;
    const { log } = options;
    const kv = new KeyValueTable(store, loaded);
    void sweepCheckpoints(kv, (actorId) => gcs.actors.record(actorId));
    const actorEvents = new ActorEvents(kv, loaded, this.#view.actors.history);
    actorEvents.sweep((actorId) => gcs.actors.record(actorId) !== null);
    const shared = { gcs, store, view: this.#view, actorBytes, kv };
    const submissions = new HeadSubmissions({
      store,
      restored: loaded.submissions,
      nodes: this.#nodes,
      members: gcs.nodes,
      nowMs,
      onDriver: (jobId, submissionId) => this.#view.applySubmitted(jobId, submissionId),
    });
    const onNode = {
      connected: (nodeId: NodeId) => submissions.nodeConnected(nodeId),
      changed: (record: NodeRecord) => submissions.nodeChanged(record),
    };
    const readers = storeReaders(config, { ...shared, telemetry: this.#telemetry, nowMs, log });
    const nodes = this.#nodes;
    this.#effects = new HeadEffects({ ...shared, actorEvents, onNode, nodes, nowMs, log, dashboardUrl });
    this.#services = {
      ...shared,
      submissions,
      nodes: this.#nodes,
      nowMs,
      effects: this.#effects,
      functions: new FunctionTable(store, loaded, nowMs),
      history: this.#history,
      logs: new ClusterLogs({
        nodes: this.#nodes,
        members: () => gcs.nodes.members(),
        folder: join(config.sessionDir, "logs"),
      }),
      info: {
        clusterId: loaded.clusterId,
        address: () => this.address,
        dashboardUrl,
        dashboardLink: (role) => this.#http?.link(role) ?? null,
        viewerToken: () => this.#http?.viewerToken ?? null,
        sessionDir: config.sessionDir,
      },
      ...readers,
      stop: options.onStop,
    };
    this.#showRestored(gcs);
  }

  #showRestored(gcs: Gcs): void {
    for (const job of gcs.jobs.jobs()) this.#view.applyJob(job);
    for (const { jobId, submissionId } of this.#services.submissions.rows()) {
      if (jobId !== null) this.#view.applySubmitted(jobId, submissionId);
    }
    for (const { status, spec, ...times } of gcs.actors.records()) this.#view.applyActor(status, spec, times);
    for (const record of gcs.groups.records()) this.#view.placementGroups.apply(record);
  }

  get clusterId(): string {
    return this.#store.loaded.clusterId;
  }
  /** HOST:PORT. */
  get address(): string {
    return this.#listener?.address ?? "";
  }
  get dashboardUrl(): string | null {
    return this.#http?.url ?? null;
  }

  /** Tell the agents that the cluster ends, so that they end too. */
  async endCluster(reason: string): Promise<void> {
    for (const { rpc, hello } of this.#nodes.peers()) {
      if (hello.role === "agent" && hello.purpose === "control") rpc.notify("shutdown", { reason });
    }
    await new Promise((resolve) => setTimeout(resolve, GOODBYE_MS));
    await this.stop();
  }

  /** Commit what is accepted, close everything. Agents stay: they wait for the next head. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#effects.close();
    this.#history.flush();
    this.#services.logs.close();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, STORE_CLOSE_MS);
    // First the commits, so that answers that wait for them can still leave.
    await Promise.race([this.#store.committed().catch(() => undefined), late.promise]);
    await new Promise((resolve) => setImmediate(resolve));
    await this.#http?.close();
    this.#services.records.close();
    this.#services.reader.close();
    this.#services.console.close();
    await this.#telemetry.close();
    await this.#nodes.closeAll();
    await this.#listener?.close();
    await Promise.race([this.#store.close(), late.promise]);
    clearTimeout(timer);
    this.#store.kill();
  }

  async #listen(): Promise<void> {
    const { host, port, tls, dashboardPort, sessionDir } = this.#config;
    const gate = new Gate({
      token: this.#token,
      clusterId: this.clusterId,
      accept: (hello) => this.#accept(hello),
    });
    this.#listener = await listenHttp2({
      host,
      port,
      gate,
      ...(tls === undefined ? {} : { tls: readTls(tls) }),
      onConnection: (connection, hello, path) => this.#connected(connection, hello, path),
    });
    try {
      if (dashboardPort !== null) {
        this.#http = await openHeadHttp({
          view: this.#view,
          services: queryServices(this.#services),
          token: this.#token,
          clusterId: this.clusterId,
          address: this.address,
          host,
          port: dashboardPort,
          sessionDir,
          startedMs: this.#startedMs,
          jobs: jobService(this.#services.submissions, this.#services.functions),
          nodes: () => this.#services.gcs.nodes.rows(),
          tls: tls === undefined ? undefined : readTls(tls),
        });
      }
    } catch (error) {
      await this.#listener.close();
      throw error;
    }
    this.#timer = setInterval(() => {
      this.#effects.step({ type: "tick" });
      this.#history.tick();
      this.#services.records.tick();
    }, HEARTBEAT_INTERVAL_MS);
  }

  #accept(hello: Hello): Welcome | Error {
    if (hello.role !== "agent" && hello.role !== "cli") {
      return new AuthenticationError(`a ${hello.role} does not talk to the head: attach to an agent`);
    }
    return { version: PROTOCOL_VERSION, clusterId: this.clusterId, id: "head" };
  }

  #connected(connection: Connection, hello: Hello, path: PipePath): void {
    const rpc = new Rpc<HeadMethods, NodeMethods>(connection, {}, {
      onError: (error, method) =>
        this.#options.log(`${method} of ${hello.id} failed: ${error.stack ?? error.message}`),
    });
    const peer = this.#nodes.add(rpc, hello);
    if (hello.role === "cli") rpc.handle(cliHandlers(this.#services));
    else if (path === "/heartbeat") rpc.handle(heartbeatHandlers(this.#services, peer));
    else rpc.handle(agentHandlers(this.#services, peer));
    void rpc.closed.then(() => {
      this.#nodes.remove(peer);
      this.#effects.forget(peer.number);
      if (this.#stopping === null) this.#effects.step({ type: "connectionClosed", connection: peer.number });
    });
  }
}

/** Folder of the store's file, when no other place is given. */
function storeDir({ sessionDir }: HeadConfig): string {
  return join(sessionDir, "store");
}

/** Who reads the store for people: one for their statements, one for the records of jobs that no statement holds up. */
function storeReaders(
  config: HeadConfig,
  { gcs, ...parts }: Omit<JobRecordsOptions, "reader" | "entities" | "jobs"> & { readonly gcs: Gcs },
): Pick<HeadServices, "console" | "reader" | "records"> {
  const place = { url: config.store, dir: storeDir(config), runtime: config.runtime };
  const reader = new StoreReader(place);
  const entities = new EntityReads(parts.view, nowMs);
  return {
    console: new StoreReader(place),
    reader,
    records: new JobRecords({ ...parts, reader, entities, jobs: () => gcs.jobs.jobs() }),
  };
}

/** How long records of jobs are kept, and how many bytes of them. */
function recordLimits(): { recordBytesMax: number; recordAgeMs: number } {
  const { bytes, days } = jobHistorySettings();
  return { recordBytesMax: bytes, recordAgeMs: days * 24 * 3600 * 1000 };
}

function readTls({ certFile, keyFile, caFile }: TlsFiles): TlsOptions {
  const read = (path: string) => readFileSync(path, "utf8");
  return { cert: read(certFile), key: read(keyFile), ca: read(caFile) };
}
