/**
 * A driver: this process as the user of a cluster. It finds or starts the cluster, attaches to an agent, and ends its job
 * when it is shut down, when its program ends, or when it is killed.
 * @module
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { runtimeName } from "#platform";
import { PROTOCOL_VERSION } from "../common/config.ts";
import { installErrorMatching } from "../common/error_matching.ts";
import { installErrorReports } from "../common/error_report.ts";
import { AuthenticationError, MobulaError } from "../common/errors.ts";
import { driverId, hex, type NodeId, nodeId } from "../common/ids.ts";
import { JOB_ENVIRONMENT_VARIABLE, jobEnvironment, OVERRIDE_VARIABLE } from "../common/job_environment.ts";
import type { Cluster, InitOptions, RuntimeEnv } from "../common/public_types.ts";
import type { FunctionCounts } from "../common/task_event.ts";
import { CoreWorker } from "../io/core_worker/core_worker.ts";
import { currentCoreWorker, setCurrentCoreWorker } from "../io/core_worker/current.ts";
import { nodeHost } from "../io/core_worker/node_host.ts";
import { connectWorker } from "../io/core_worker/push_connection.ts";
import { checkEnvironment, textSetting } from "../io/environment.ts";
import type { Connection } from "../io/transport/connection.ts";
import { parseAddress } from "../io/transport/http2.ts";
import { connectHttp2 } from "../io/transport/http2_client.ts";
import { Rpc } from "../io/transport/rpc.ts";
import { ConnectError } from "../io/transport/transport_error.ts";
import { connectUnix } from "../io/transport/unix.ts";
import { clusterFilePath, defaultSessionDir, readToken } from "../process/config.ts";
import { LocalCluster } from "../process/local_cluster.ts";
import { isOwnFile } from "../platform/runtime_folder.ts";
import { runningCluster } from "../process/session.ts";
import type { AgentMethods, CoreMethods, HeadMethods, Hello, MessageLevel } from "../protocol/messages.ts";
import { DriverOutput, FLUSH_MS } from "./driver_output.ts";
import { setLastLines, watchUncaught } from "./uncaught.ts";
import { ProgressBars } from "./progress_bars.ts";
import type { ProgressCounts } from "../core/logs/progress.ts";
import { keepAlive } from "./keep_alive.ts";

function progressOf(
  { name, pendingArgs, pendingNode, submitted, running, finished, failed }: FunctionCounts,
): ProgressCounts {
  return { name, finished, failed, running, open: pendingArgs + pendingNode + submitted + running };
}

/** An error has come back: should nobody catch it, it is printed as it is meant to be. */
function readStack(error: unknown): void {
  watchUncaught();
  nodeHost.readStack?.(error);
}

/** Where a driver attaches. */
interface Attachment {
  readonly token: string;
  /** The agent's socket on this host, or its address elsewhere. */
  readonly socketPath: string | null;
  readonly agentAddress: string | null;
  readonly local: LocalCluster | null;
}

/** See the module's header. */
export class Driver implements Cluster {
  readonly core: CoreWorker;
  /** Resolves when attached. */
  readonly attached: Promise<void>;
  readonly #options: InitOptions;
  readonly #output = new DriverOutput();
  readonly #bars: ProgressBars;
  readonly #nodeId: NodeId | undefined;
  #local: LocalCluster | null = null;
  #address = "";
  #dashboardUrl: string | undefined;
  #token = "";
  #clusterId: string | null = null;
  #ending: Promise<void> | null = null;
  readonly #onBeforeExit = (): void => void this.end();

  constructor(options: InitOptions) {
    this.#options = options;
    checkEnvironment();
    const runtimeEnv = withJobEnvironment(options.runtimeEnv);
    const address = options.address ?? textSetting("MOBULA_ADDRESS") ?? undefined;
    if (address !== undefined) refuseResources(options);
    // Of a cluster of our own we choose the first node's id, so that refs know their home before it is there.
    this.#nodeId = address === undefined ? nodeId(hex(randomBytes(8))) : undefined;
    installErrorMatching();
    setLastLines(() => this.#lastLines());
    this.core = new CoreWorker({
      self: driverId(hex(randomBytes(6))),
      host: { ...nodeHost, readStack },
      ...(this.#nodeId !== undefined && { node: this.#nodeId }),
      ...(runtimeEnv !== undefined && { runtimeEnv }),
      isRemote: address !== undefined && !isOnThisHost(address),
      connectWorker: async (worker, core) => {
        const membership = { token: this.#token, clusterId: this.#clusterId, role: "driver" as const };
        const channel = await connectWorker(worker, core, membership);
        (channel as Connection).unref();
        return channel;
      },
      onMessage: (level, text) => this.#message(level, text),
      onOutput: (batches) => this.#output.lines(batches),
    });
    setCurrentCoreWorker(this.core);
    const { sites } = this.core;
    if (textSetting("MOBULA_STACK") !== "full") {
      installErrorReports({ isOwnFile, siteOf: (name) => shortSite(sites.of(name)) });
    }
    this.attached = keepAlive(this.#attach(address)).catch(async (reason: unknown) => {
      const error = notAttached(reason);
      watchUncaught();
      this.core.fail(error);
      await this.end();
      throw error;
    });
    this.attached.catch(() => undefined); // init() reports it, and everything that waits fails with it.
    process.on("beforeExit", this.#onBeforeExit);
    this.#bars = new ProgressBars({
      counts: () => this.core.recorder.counts().map(progressOf),
      isTerminal: this.#output.isTerminal,
      say: (line) => this.#output.say(line),
    });
  }

  get address(): string {
    return this.#address;
  }
  get dashboardUrl(): string {
    return this.#dashboardUrl as string;
  }
  /** The cluster that this driver started, or null. */
  get local(): LocalCluster | null {
    return this.#local;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /** End the job, and the cluster when it is this driver's own. Idempotent. */
  end(): Promise<void> {
    this.#ending ??= keepAlive(this.#end());
    return this.#ending;
  }

  #message(level: MessageLevel, text: string): void {
    if (this.#options.logToDriver !== false) this.#output.message(level, text);
  }

  async #end(): Promise<void> {
    process.off("beforeExit", this.#onBeforeExit);
    this.#bars.close();
    const { core } = this;
    const { jobId } = core.identity;
    if (core.closedReason === null) {
      await core.finish();
      if (jobId && this.#options.logToDriver !== false) await this.#lastLines();
      if (jobId) await core.link.request("endJob", { jobId }).catch(() => undefined);
    }
    core.close(new MobulaError("The driver was shut down", { code: "ShutDown" }));
    core.link.close();
    // A next driver may have begun already.
    if (currentCoreWorker() === core) setCurrentCoreWorker(null);
    await this.#local?.stop();
    this.#output.close();
  }

  /** What workers have printed is there before the program ends, if it takes no longer than people wait. */
  async #lastLines(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FLUSH_MS);
    await Promise.race([this.core.link.request("flushOutput", {}).then(() => {}, () => {}), late]);
    clearTimeout(timer);
  }

  async #attach(address: string | undefined): Promise<void> {
    const place = address === undefined
      ? await this.#startLocal()
      : await findCluster(address, this.#options.token);
    this.#local = place.local;
    this.#token = place.token;
    const connection = await this.#connect(place);
    connection.unref();
    try {
      await this.#register(connection);
    } catch (error) {
      connection.destroy(null);
      throw error;
    }
  }

  /** Become the driver of a new job. */
  async #register(connection: Connection): Promise<void> {
    const rpc = new Rpc<CoreMethods, AgentMethods>(connection, this.core.handlers);
    this.#clusterId = connection.peer?.clusterId ?? null;
    const { result } = await rpc.request("registerDriver", {
      namespace: this.#options.namespace ?? textSetting("MOBULA_NAMESPACE"),
      entrypoint: process.argv.slice(1).join(" "),
      quiet: this.#options.logToDriver === false,
    });
    const { identity } = this.core;
    identity.node = result.nodeId;
    identity.jobId = result.jobId;
    identity.namespace = result.namespace;
    this.#address = result.address;
    if (this.#options.dashboard !== false && result.dashboardUrl !== null) {
      // A link that signs one browser in: the page itself needs the token like everything else.
      const link = await rpc.request("head", { method: "dashboardLink", params: {} });
      this.#dashboardUrl = (link.result as HeadMethods["dashboardLink"]["result"]).url ?? result.dashboardUrl;
    }
    this.core.open(rpc);
    // A job whose folder is missing can run nothing: init() says so.
    await this.core.workingDirs.resolve(this.core.runtimeEnv);
  }

  async #startLocal(): Promise<Attachment> {
    const { numNodes = 1, numCpus, numGpus, resources, objectStoreBytes, dashboard, token } = this.#options;
    const each = {
      ...(numCpus !== undefined && { numCpus }),
      ...(numGpus !== undefined && { numGpus }),
      ...(resources !== undefined && { resources }),
      ...(objectStoreBytes !== undefined && { objectStoreBytes }),
    };
    const local = await LocalCluster.start({
      ...each,
      nodeId: this.#nodeId!,
      onLost: (text) => this.#message("error", text),
      ...(dashboard !== undefined && { dashboard }),
      ...(token !== undefined && { token }),
    });
    // From here on it is ended with the driver, also when a further node cannot start.
    this.#local = local;
    const further = Array.from({ length: numNodes - 1 }, () => local.addAgent(each));
    // All of them, or one that starts while others are stopped would stay.
    for (const result of await Promise.allSettled(further)) {
      if (result.status === "rejected") throw result.reason;
    }
    return { token: local.token, socketPath: local.agents[0]!.ready.socketPath, agentAddress: null, local };
  }

  #connect({ token, socketPath, agentAddress }: Attachment): Promise<Connection> {
    const hello: Hello = {
      version: PROTOCOL_VERSION,
      token,
      role: "driver",
      id: this.core.identity.self,
      clusterId: null,
      epoch: 0,
      pid: process.pid,
      runtime: runtimeName,
      purpose: "control",
    };
    if (socketPath !== null) return connectUnix({ path: socketPath, hello });
    return connectHttp2({ address: agentAddress!, path: "/control", hello });
  }
}

/** The cluster of a session here, when `address` is its head's (or "auto"). */
function clusterHere(address: string): { sessionDir: string; socketPath: string } | null {
  const sessionDir = defaultSessionDir();
  const file = runningCluster(sessionDir);
  if (file === null || (address !== "auto" && file.address !== address)) return null;
  return { sessionDir, socketPath: file.socketPath };
}

/** A place in the user's code as people name it: from the folder that they are in. */
function shortSite(site: string | null): string | null {
  const folder = `${process.cwd()}/`;
  return site?.startsWith(folder) === true ? site.slice(folder.length) : site;
}

function isOnThisHost(address: string): boolean {
  return address === "auto" || clusterHere(address) !== null;
}

/** Why there is no cluster, as what users can tell apart: transports and started processes throw errors of their own. */
function notAttached(reason: unknown): Error {
  const error = reason as Error;
  if (error instanceof MobulaError || error instanceof TypeError || error instanceof RangeError) return error;
  if (!(error instanceof ConnectError)) {
    return new MobulaError(error.message, { code: "InitFailed", cause: error });
  }
  const { code, message } = error;
  return new MobulaError(`Cannot reach the cluster: ${message}`, { code, cause: error });
}

/** @throws {TypeError | RangeError} for what is no address, whether or not there is a token for it. */
async function findCluster(address: string, givenToken: string | undefined): Promise<Attachment> {
  if (address !== "auto") parseAddress(address);
  const here = clusterHere(address);
  const explicit = givenToken ?? textSetting("MOBULA_TOKEN");
  if (here !== null) {
    return {
      token: explicit ?? readToken(here.sessionDir),
      socketPath: here.socketPath,
      agentAddress: null,
      local: null,
    };
  }
  if (address === "auto") {
    throw new MobulaError(
      `No cluster is running here (${
        clusterFilePath(defaultSessionDir())
      } is missing or stale): run \`mobula start --head\``,
      { code: "NoCluster" },
    );
  }
  const token = explicit ?? tokenHere();
  if (token === null) {
    throw new AuthenticationError(`${address} needs the cluster's token: option token, or MOBULA_TOKEN`);
  }
  return { token, socketPath: null, agentAddress: await agentOf(address, token), local: null };
}

function tokenHere(): string | null {
  try {
    return readToken(defaultSessionDir());
  } catch {
    return null; // No session here: the token must be given.
  }
}

/** An agent of the cluster whose head is at `address`: one on this host if there is one, else the head's own. */
async function agentOf(address: string, token: string): Promise<string> {
  const connection = await connectHttp2({
    address,
    path: "/control",
    hello: {
      version: PROTOCOL_VERSION,
      token,
      role: "cli",
      id: `cli-${hex(randomBytes(6))}`,
      clusterId: null,
      epoch: 0,
      pid: process.pid,
      runtime: runtimeName,
      purpose: "control",
    },
  });
  const rpc = new Rpc<Record<never, never>, HeadMethods>(connection);
  try {
    const { result } = await rpc.request("nodes", {}, [], { timeoutMs: 10_000 });
    const alive = result.nodes.filter((node) => node.state === "ALIVE");
    const agent = alive.find((node) => node.hostname === hostname()) ?? alive.find((node) =>
      node.isHeadNode
    ) ?? alive[0];
    if (agent === undefined) {
      throw new MobulaError(`The cluster at ${address} has no live node`, { code: "NoNode" });
    }
    return agent.address;
  } finally {
    rpc.close();
  }
}

function refuseResources(options: InitOptions): void {
  for (const name of ["numNodes", "numCpus", "numGpus", "resources", "objectStoreBytes"] as const) {
    if (options[name] === undefined) continue;
    throw new RangeError(
      `Option ${name} is for a new cluster; with an address the cluster's nodes have their own`,
    );
  }
}

/** What init() says, on top of what the job was submitted with. */
function withJobEnvironment(own: RuntimeEnv | undefined): RuntimeEnv | undefined {
  const text = textSetting(JOB_ENVIRONMENT_VARIABLE);
  if (text === null) return own;
  const job = JSON.parse(text) as RuntimeEnv;
  return jobEnvironment(job, own, textSetting(OVERRIDE_VARIABLE) === "1");
}
