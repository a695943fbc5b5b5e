/**
 * `mobula start --head` and `mobula start --address HOST:PORT`: a node on this host, under a supervisor. Returns when it
 * serves; with --block it stays in the foreground until Ctrl-C.
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { DASHBOARD_PORT, HEAD_PORT, METRICS_PORT, OBJECT_STORE_BYTES_MIN } from "../common/config.ts";
import { amountMax } from "../common/resources.ts";
import type { RuntimeName } from "../common/task_spec.ts";
import { parseAddress } from "../io/transport/http2.ts";
import { isLoopback, isThisMachine } from "../io/transport/reachable_host.ts";
import type { AgentConfig, ClusterFile, NodeResources } from "../process/config.ts";
import { defaultSessionDir, readToken } from "../process/config.ts";
import { newToken, prepareSessionDir, runningCluster, spillFolder, writeToken } from "../process/session.ts";
import { preferredRuntime, startProcess } from "../process/start_process.ts";
import { Supervisor, type SupervisorConfig, type SupervisorReady } from "../process/supervisor.ts";
import { checkAddress, connectHead, findToken, tlsOf } from "./head_client.ts";
import { dim, print, printJson } from "./print.ts";
import {
  type CommandDefinition,
  COMMON_FLAGS,
  type Flags,
  type ParsedArguments,
  UsageError,
} from "./usage.ts";

const START_FLAGS: Flags = {
  head: { type: "boolean", help: "start a head here, with a node beside it" },
  ...COMMON_FLAGS,
  port: { type: "string", value: "N", help: `the head's port; default ${HEAD_PORT}, 0: any` },
  "dashboard-port": { type: "string", value: "N", help: `default ${DASHBOARD_PORT} or the next free one` },
  "metrics-port": {
    type: "string",
    value: "N",
    help: `this node's metrics, for Prometheus; default ${METRICS_PORT} or the next free one`,
  },
  store: {
    type: "string",
    value: "URL",
    help: "file:…, http(s)://… or libsql://…; default: a file in the session folder",
  },
  host: {
    type: "string",
    value: "ADDR",
    help: "listen here; default 127.0.0.1. Others need TLS, or --insecure",
  },
  insecure: {
    type: "boolean",
    help: "allow --host without TLS: everything, the token too, is readable on the network",
  },
  "num-cpus": { type: "string", value: "N", help: "default: the machine's" },
  "num-gpus": { type: "string", value: "N", help: "default 0" },
  resources: { type: "string", value: "JSON", help: 'such as {"licence": 2}' },
  labels: { type: "string", value: "JSON", help: 'such as {"zone": "eu-1"}' },
  "object-store-bytes": { type: "string", value: "N", help: "default: 30 % of memory" },
  "object-store-dir": { type: "string", value: "DIR", help: "default: /dev/shm" },
  runtime: { type: "string", value: "bun|deno|node", help: "of the agent and its workers" },
  block: { type: "boolean", help: "stay in the foreground" },
};

const RUNTIMES: readonly string[] = ["bun", "deno", "node"];

export const startCommand: CommandDefinition = {
  name: "start",
  summary: "start a cluster here, or join one",
  flags: START_FLAGS,
  examples: [
    ["mobula start --head", "a cluster on this machine; prints its address and the dashboard's link"],
    ["mobula start --address 10.0.0.1:6380 --token-file token", "this machine joins the cluster there"],
    [
      "mobula start --head --num-cpus 4 --resources '{\"licence\": 2}'",
      "with four CPUs and a resource of its own",
    ],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  if (flags.isSet("head") === flags.isSet("address")) {
    throw new UsageError("start: say either --head or --address HOST:PORT");
  }
  const config = supervisorConfig(flags);
  await settleToken(flags, config);
  if (flags.isSet("block")) return await runInForeground(flags, config);
  const cluster = await runDetached(config);
  await announce(flags, config, cluster);
  return 0;
}

/** The whole configuration from the flags. Everything is checked before anything is made. */
function supervisorConfig(flags: ParsedArguments): SupervisorConfig {
  const isHead = flags.isSet("head");
  const headOnly = ["port", "dashboard-port", "store"].find((flag) => !isHead && flags.isSet(flag));
  if (headOnly !== undefined) throw new UsageError(`start: --${headOnly} goes with --head`);
  const address = flags.text("address");
  if (address !== null) checkAddress(address);
  const host = flags.text("host") ?? "127.0.0.1";
  const tls = tlsOf(flags);
  if (!isLoopback(host) && tls === null && !flags.isSet("insecure")) {
    throw new UsageError(
      `start: --host ${host} is reachable from other machines: give --tls-cert, --tls-key and --tls-ca, or accept ` +
        "by --insecure that the token and all data cross the network in the clear",
    );
  }
  const runtime = runtimeOf(flags);
  const port = flags.integer("port", 0, 65_535) ?? HEAD_PORT;
  const dashboardPort = flags.integer("dashboard-port", 0, 65_535) ?? DASHBOARD_PORT;
  const agent = agentConfig(flags, { headAddress: address ?? "", host, runtime, isHeadNode: isHead });
  const sessionDir = prepareSessionDir(defaultSessionDir());
  const shared = { sessionDir, host, lifeline: true, ...(tls === null ? {} : { tls }) };
  const head = isHead
    ? { ...shared, port, dashboardPort, store: storeOf(flags), runtime: preferredRuntime() }
    : null;
  const spillDir = spillFolder(sessionDir);
  return { sessionDir, head, agent: { ...agent, ...shared, spillDir }, runtime: preferredRuntime() };
}

function agentConfig(
  flags: ParsedArguments,
  fixed: { headAddress: string; host: string; runtime: RuntimeName; isHeadNode: boolean },
): Omit<AgentConfig, "sessionDir" | "spillDir" | "tls" | "lifeline"> {
  const objectStoreDir = flags.text("object-store-dir");
  return {
    ...fixed,
    workerRuntime: fixed.runtime,
    port: 0,
    metricsPort: flags.integer("metrics-port", 0, 65_535) ?? METRICS_PORT,
    resources: nodeResources(flags),
    objectStoreBytes: flags.integer("object-store-bytes", OBJECT_STORE_BYTES_MIN),
    objectStoreDir: objectStoreDir === null ? null : resolve(objectStoreDir),
    prestart: 1,
  };
}

function nodeResources(flags: ParsedArguments): NodeResources {
  const isQuantity = (value: unknown): value is number =>
    typeof value === "number" && Number.isFinite(value) && value >= 0;
  const isText = (value: unknown): value is string => typeof value === "string";
  const resources = flags.record("resources", "quantities of at least 0", isQuantity) ?? {};
  const reserved = ["CPU", "GPU"].find((name) => name in resources);
  if (reserved !== undefined) {
    throw new UsageError(
      `start: --resources must not hold ${reserved}: use --num-${reserved.toLowerCase()}s`,
    );
  }
  const numCpus = flags.number("num-cpus", 0);
  for (const [name, amount] of Object.entries({ CPU: numCpus ?? 0, ...resources })) {
    if (amount > amountMax(name)) {
      throw new UsageError(`start: there may be at most ${amountMax(name)} of ${name}, not ${amount}`);
    }
  }
  return {
    numCpus,
    numGpus: flags.integer("num-gpus", 0) ?? 0,
    resources,
    labels: flags.record("labels", "texts", isText) ?? {},
  };
}

function runtimeOf(flags: ParsedArguments): RuntimeName {
  const runtime = flags.text("runtime") ?? preferredRuntime();
  if (!RUNTIMES.includes(runtime)) {
    throw new UsageError(`start: --runtime must be bun, deno or node, is ${JSON.stringify(runtime)}`);
  }
  return runtime as RuntimeName;
}

function storeOf(flags: ParsedArguments): string | null {
  const store = flags.text("store");
  if (store === null) return null;
  if (!/^(file:|https?:\/\/|libsql:\/\/)/.test(store)) {
    throw new UsageError(
      `start: --store must be file:…, http(s)://… or libsql://…, is ${JSON.stringify(store)}`,
    );
  }
  // A relative path means the caller's folder, not the head's.
  return store.startsWith("file:") && !store.startsWith("file:/") ? `file:${resolve(store.slice(5))}` : store;
}

/** A node that listens on loopback would be known to the others by an address that leads each of them to itself. */
async function refuseUnreachable({ agent }: SupervisorConfig): Promise<void> {
  if (!isLoopback(agent.host)) return;
  const { host } = parseAddress(agent.headAddress);
  if (isLoopback(host) || await isThisMachine(host)) return;
  throw new UsageError(
    `start: the head at ${agent.headAddress} is on another machine, and ${agent.host} is not reachable from there: give ` +
      "--host with this machine's address, and --tls-cert, --tls-key and --tls-ca (or --insecure)",
  );
}

/** Puts the token where the processes read it: the cluster's own for a node that joins, the session's or a new one here. */
async function settleToken(
  flags: ParsedArguments,
  config: SupervisorConfig,
): Promise<void> {
  const { sessionDir, head, agent } = config;
  const token = findToken(flags);
  if (head !== null) {
    if (runningCluster(sessionDir) === null) writeToken(sessionDir, token ?? newToken());
    return; // The supervisor refuses a second cluster, and must find the first one's token unharmed.
  }
  if (token === null) {
    throw new UsageError(
      `start: no token for ${agent.headAddress}: give --token-file or MOBULA_TOKEN (the head's session folder holds it)`,
    );
  }
  // Fails with a clear reason before any process is started.
  (await connectHead({ address: agent.headAddress, token, tls: agent.tls ?? null })).close();
  await refuseUnreachable(config);
  const running = runningCluster(sessionDir);
  if (running !== null && running.address !== agent.headAddress) {
    throw new UsageError(
      `start: this session (${sessionDir}) belongs to the cluster at ${running.address}; set MOBULA_SESSION_DIR ` +
        `to another folder for a node of ${agent.headAddress}`,
    );
  }
  writeToken(sessionDir, token);
}

/** The supervisor as a process that outlives this one. */
async function runDetached(config: SupervisorConfig): Promise<ClusterFile> {
  const log = openSync(join(config.sessionDir, "logs", "supervisor.log"), "a", 0o600);
  const { process: child, ready } = await startProcess<SupervisorReady>("supervisor_main.ts", config, {
    stderr: log,
    timeoutMs: 90_000,
  }).catch((error: Error) => {
    // What the supervisor said, without that it was the supervisor that said it.
    throw error.cause ?? error;
  });
  closeSync(log);
  child.stdin!.destroy();
  child.stdout!.destroy();
  child.unref();
  return ready.cluster;
}

/** The supervisor in this process, until Ctrl-C or the cluster's end. */
async function runInForeground(flags: ParsedArguments, config: SupervisorConfig): Promise<number> {
  const supervisor = new Supervisor(config, (line) => process.stderr.write(`mobula: ${line}\n`));
  const stop = (): void => void supervisor.stop();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  const cluster = await supervisor.start();
  // A failing link must not end a cluster that runs.
  await Promise.race([announce(flags, config, cluster).catch(() => undefined), supervisor.ended]);
  // Deno ends when nothing but promises is left; the children are not enough to hold it.
  const alive = setInterval(() => undefined, 60_000);
  await supervisor.ended;
  clearInterval(alive);
  return 0;
}

/** What the user needs to know now: where it is, and how to join, use and end it. */
async function announce(
  flags: ParsedArguments,
  config: SupervisorConfig,
  cluster: ClusterFile,
): Promise<void> {
  const { sessionDir } = config;
  if (flags.isSet("json")) return printJson({ ...cluster, sessionDir });
  if (!cluster.isHead) {
    return print(`node ${cluster.nodeId} joined ${cluster.address} (session ${sessionDir})`);
  }
  const link = await dashboardLink(config, cluster);
  print(`cluster ${cluster.clusterId} runs here`);
  print(`  address    ${cluster.address}`);
  print(`  dashboard  ${link ?? "off"}${link === null ? "" : dim("   (signs one browser in)")}`);
  print(`  session    ${sessionDir}`);
  print(`  use it     MOBULA_ADDRESS=${cluster.address}, or init({ address: "auto" })`);
  print(
    `  join it    mobula start --address ${cluster.address} --token-file FILE   ${
      dim(`(a copy of ${sessionDir}/token)`)
    }`,
  );
  print(`  end it     ${flags.isSet("block") ? "Ctrl-C" : "mobula stop"}`);
}

async function dashboardLink(config: SupervisorConfig, cluster: ClusterFile): Promise<string | null> {
  if (cluster.dashboardUrl === null) return null;
  const token = readToken(config.sessionDir);
  const head = await connectHead({ address: cluster.address, token, tls: cluster.tls ?? null });
  try {
    return (await head.ask("dashboardLink", {})).url;
  } finally {
    head.close();
  }
}
