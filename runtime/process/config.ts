/**
 * How head and agent processes are started, by the supervisor (`mobula start`) and by an embedded cluster alike: one JSON
 * object in the environment variable MOBULA_PROCESS_CONFIG. It carries no secret: the token is read from
 * `<sessionDir>/token`. A started process prints one JSON line on stdout when it serves (HeadReady, AgentReady), or
 * `{"ready":false,"error":…}` and exits non-zero; afterwards its stdout and stderr are its log. SIGTERM ends it cleanly;
 * with `lifeline`, so does the end of its stdin. Exit code 0 means "I was asked to end": a supervisor starts the process
 * again after any other.
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RuntimeName } from "../common/task_spec.ts";

/** The environment variable that holds a process's config. */
export const PROCESS_CONFIG_VARIABLE: string = "MOBULA_PROCESS_CONFIG";

/** Files for mutual TLS between hosts; all three or none. Paths, absolute. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** What a head process is told. */
export interface HeadConfig {
  /** The 0700 folder of this cluster on this host: token, cluster.json, store/, logs/, n/. Absolute. */
  readonly sessionDir: string;
  /** The address to listen on; loopback unless the user said otherwise. */
  readonly host: string;
  /** 0: any free port; the ready line tells which. */
  readonly port: number;
  /** First port to try for the dashboard and HTTP API, then the next ones; 0 any free one; null: no dashboard. */
  readonly dashboardPort: number | null;
  /** `file:…`, `http(s)://…` or `libsql://…`; null: `<sessionDir>/store/gcs.db`. */
  readonly store: string | null;
  /** The runtime that this process is to be started with, and the store process after it. */
  readonly runtime: RuntimeName;
  /** End when stdin closes: an embedded cluster must not outlive its driver. */
  readonly lifeline: boolean;
  /** An embedded cluster's temporary session: whoever ends last removes the folder, so both remove it. Default false. */
  readonly ephemeral?: boolean;
  readonly tls?: TlsFiles;
}

/** What an agent process is told. */
export interface AgentConfig {
  readonly sessionDir: string;
  /** HOST:PORT of the head. Empty: it comes as the first line of stdin, which has to be a lifeline, when the head is there. */
  readonly headAddress: string;
  /** Given when this start replaces an agent that died: the node keeps its id and gets a new epoch. */
  readonly nodeId?: string;
  readonly host: string;
  /** 0: any free port; the ready line tells which. */
  readonly port: number;
  /** Where the node's metrics are scraped: this port or the next free one; 0 any free one; absent: nowhere. */
  readonly metricsPort?: number;
  readonly resources: NodeResources;
  /** Size of this node's object store; null: 30 % of memory, shared by all agents of the host, clamped to what fits. */
  readonly objectStoreBytes: number | null;
  /** Folder for the store's segments; null: /dev/shm (macOS: a temporary folder). */
  readonly objectStoreDir: string | null;
  /** Folder for objects that do not fit into memory; null: none is spilled. */
  readonly spillDir: string | null;
  /** The runtime that this process is to be started with. */
  readonly runtime: RuntimeName;
  /** The runtime of the node's workers, unless a runtime environment names one. */
  readonly workerRuntime: RuntimeName;
  /** Whether the head runs on this node (`start --head`, embedded clusters). */
  readonly isHeadNode: boolean;
  readonly lifeline: boolean;
  /** An embedded cluster's temporary session: whoever ends last removes the folder, so both remove it. Default false. */
  readonly ephemeral?: boolean;
  /** Workers to start before anybody asks for one. */
  readonly prestart: number;
  readonly tls?: TlsFiles;
}

/** What a node offers, in user quantities (1 = one CPU). */
export interface NodeResources {
  /** Null: as many as the machine lets this process use. */
  readonly numCpus: number | null;
  readonly numGpus: number;
  /** Custom resources, and `memory` in bytes when the user gave it. */
  readonly resources: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** The line that a head prints when it serves. */
export interface HeadReady {
  readonly ready: true;
  readonly clusterId: string;
  /** HOST:PORT. */
  readonly address: string;
  readonly dashboardUrl: string | null;
  readonly pid: number;
}

/** The line that an agent prints when it is registered at the head. */
export interface AgentReady {
  readonly ready: true;
  readonly nodeId: string;
  /** As the head said in its Welcome. */
  readonly clusterId: string;
  /** HOST:PORT where peers reach it. */
  readonly address: string;
  /** Its unix socket for local drivers and workers. */
  readonly socketPath: string;
  readonly pid: number;
}

/** The line of a process that could not start; it exits non-zero after it. */
export interface NotReady {
  readonly ready: false;
  readonly error: string;
}

/** `<sessionDir>/cluster.json`: what `init("auto")` and the command line know of the cluster that runs here. It holds no
 *  secret. There while the supervisor lives; one whose supervisor is gone is stale (session.ts tells). Further agents that
 *  were started in the same session have `cluster-<pid>.json`. */
export interface ClusterFile {
  /** The supervisor. */
  readonly pid: number;
  /** When the supervisor's process began, as the system counts; a reused pid has another. Null where that is unknown. */
  readonly pidStart: string | null;
  readonly clusterId: string;
  /** HOST:PORT of the head. */
  readonly address: string;
  readonly dashboardUrl: string | null;
  /** The agent of this session: where drivers on this host attach. */
  readonly nodeId: string;
  readonly socketPath: string;
  readonly startedMs: number;
  /** Whether this session holds the head (`start --head`) or only an agent (`start --address`). */
  readonly isHead: boolean;
  readonly tls?: TlsFiles;
}

/** The config of this process. Throws a clear error when it was started without one. */
export function readProcessConfig<C extends { readonly sessionDir: string }>(): C {
  const text = process.env[PROCESS_CONFIG_VARIABLE];
  if (text === undefined) {
    throw new Error(`Cannot start: ${PROCESS_CONFIG_VARIABLE} is not set; use \`mobula start\` or init()`);
  }
  const config = JSON.parse(text) as C;
  if (typeof config?.sessionDir !== "string" || !config.sessionDir.startsWith("/")) {
    throw new Error(`Cannot start: ${PROCESS_CONFIG_VARIABLE} has no absolute sessionDir`);
  }
  return config;
}

/** The texts of TLS files. Throws when one cannot be read. */
export function readTlsFiles(files: TlsFiles): { cert: string; key: string; ca: string } {
  const read = (path: string): string => readFileSync(path, "utf8");
  return { cert: read(files.certFile), key: read(files.keyFile), ca: read(files.caFile) };
}

/** Where the cluster's token is. */
export function tokenPath(sessionDir: string): string {
  return join(sessionDir, "token");
}

/** The cluster's token, read from its 0600 file. */
export function readToken(sessionDir: string): string {
  return readFileSync(tokenPath(sessionDir), "utf8").trim();
}

export function clusterFilePath(sessionDir: string): string {
  return join(sessionDir, "cluster.json");
}

/** The folder of the cluster that runs here: $MOBULA_SESSION_DIR, else the user's state folder, so that a reboot keeps
 *  the store. Embedded clusters use a temporary folder instead. */
export function defaultSessionDir(): string {
  if (process.env.MOBULA_SESSION_DIR) return process.env.MOBULA_SESSION_DIR;
  return join(
    process.env.XDG_STATE_HOME || join(process.getBuiltinModule("node:os").homedir(), ".local", "state"),
    "mobula",
  );
}
