/**
 * An embedded cluster: a head and agents that this process starts, owns and takes with it. Their lifeline is their stdin,
 * a pipe from here: when this process ends in any way, the pipe closes and they end too, shared memory and all.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RuntimeName } from "../common/task_spec.ts";
import { defaultPoolDir, sweepPools } from "../io/store/pool_folder.ts";
import { type AgentConfig, type AgentReady, type HeadConfig, type HeadReady, tokenPath } from "./config.ts";
import { spillFolder } from "./session.ts";
import { preferredRuntime, type StartedProcess, startProcess } from "./start_process.ts";

/** How long a process may take to end by itself once its lifeline is cut. */
const STOP_TIMEOUT_MS = 5_000;

export interface LocalNodeOptions {
  readonly numCpus?: number;
  readonly numGpus?: number;
  readonly resources?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly objectStoreBytes?: number;
  readonly objectStoreDir?: string;
  /** Of the agent, and of its workers unless `workerRuntime` says otherwise. */
  readonly runtime?: RuntimeName;
  readonly workerRuntime?: RuntimeName;
  readonly prestart?: number;
  /** Chosen by the caller where it must know the id before the node is there. */
  readonly nodeId?: string;
}

export interface LocalClusterOptions extends LocalNodeOptions {
  readonly dashboard?: boolean;
  /** First port to try for the dashboard; 0: any. Default 8265. */
  readonly dashboardPort?: number;
  readonly store?: string;
  readonly headRuntime?: RuntimeName;
  readonly token?: string;
  /** A process of the cluster ended by itself: one line for the user. */
  readonly onLost?: (text: string) => void;
  /** Default: a temporary folder, removed at the end. */
  readonly sessionDir?: string;
}

/** See the module's header. */
export class LocalCluster {
  readonly sessionDir: string;
  readonly token: string;
  #head: StartedProcess<HeadReady> | null = null;
  readonly #agents: StartedProcess<AgentReady>[] = [];
  readonly #options: LocalClusterOptions;
  readonly #ephemeral: boolean;
  #stopping = false;

  private constructor(options: LocalClusterOptions) {
    this.#options = options;
    this.#ephemeral = options.sessionDir === undefined;
    this.sessionDir = options.sessionDir ?? mkdtempSync(join(tmpdir(), "mobula-"));
    this.token = options.token ?? randomBytes(32).toString("hex");
    writeFileSync(tokenPath(this.sessionDir), this.token + "\n", { mode: 0o600 });
  }

  /** Start a head and one agent; resolves when drivers can attach. */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const cluster = new LocalCluster(options);
    try {
      // The agent loads its code while the head starts, and is told the address when there is one.
      const head = cluster.startHead();
      const agent = cluster.addAgent({ ...options, isHeadNode: true }, head.then(() => cluster.address));
      // When the head fails, that is the reason; the agent that waits for its address is ended.
      agent.catch(() => undefined);
      await head;
      await agent;
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get head(): StartedProcess<HeadReady> {
    if (this.#head === null) throw new Error("The head is not running");
    return this.#head;
  }
  get agents(): readonly StartedProcess<AgentReady>[] {
    return this.#agents;
  }
  get address(): string {
    return this.head.ready.address;
  }
  get dashboardUrl(): string | null {
    return this.head.ready.dashboardUrl;
  }

  /** Start the head, or start it again on the same store, at the same address. */
  async startHead(): Promise<void> {
    const options = this.#options;
    const previous = this.#head?.ready.address;
    const dashboardPort = options.dashboard === false ? null : options.dashboardPort ?? 8265;
    const config: HeadConfig = {
      sessionDir: this.sessionDir,
      host: "127.0.0.1",
      port: previous === undefined ? 0 : Number(previous.slice(previous.lastIndexOf(":") + 1)),
      dashboardPort,
      store: options.store ?? null,
      runtime: options.headRuntime ?? preferredRuntime(),
      lifeline: true,
      ephemeral: this.#ephemeral,
    };
    this.#head = await startProcess<HeadReady>("head_main.ts", config);
    this.#watch(this.#head.process, "head");
  }

  /** Start one more node; by default at the head that runs. */
  async addAgent(
    options: LocalNodeOptions & { isHeadNode?: boolean } = {},
    headAddress?: Promise<string>,
  ): Promise<StartedProcess<AgentReady>> {
    const runtime = options.runtime ?? preferredRuntime();
    const config: AgentConfig = {
      sessionDir: this.sessionDir,
      headAddress: headAddress === undefined ? this.address : "",
      ...(options.nodeId !== undefined && { nodeId: options.nodeId }),
      host: "127.0.0.1",
      port: 0,
      ...(this.#options.dashboard !== false && { metricsPort: 0 }),
      resources: {
        numCpus: options.numCpus ?? null,
        numGpus: options.numGpus ?? 0,
        resources: options.resources ?? {},
        labels: options.labels ?? {},
      },
      objectStoreBytes: options.objectStoreBytes ?? null,
      objectStoreDir: options.objectStoreDir ?? null,
      spillDir: spillFolder(this.sessionDir),
      runtime,
      workerRuntime: options.workerRuntime ?? runtime,
      isHeadNode: options.isHeadNode ?? false,
      lifeline: true,
      ephemeral: this.#ephemeral,
      prestart: options.prestart ?? 2,
    };
    const started = await startProcess<AgentReady>("agent_main.ts", config, {
      ...(headAddress !== undefined && { firstLine: headAddress }),
    });
    this.#watch(started.process, `agent of ${started.ready.nodeId}`);
    // A killed one leaves its shared memory to the next agent that starts here; there may be none.
    started.process.once("exit", (_code: number | null, signal: string | null) => {
      if (signal !== null) sweepPools(config.objectStoreDir ?? defaultPoolDir());
    });
    this.#agents.push(started);
    return started;
  }

  /** A process that serves must not keep its driver alive; one that ends by itself leaves a word why. */
  #watch(child: ChildProcess, what: string): void {
    child.unref();
    for (const pipe of [child.stdin, child.stdout, child.stderr]) {
      (pipe as unknown as { unref?: () => void })?.unref?.();
    }
    let errors = "";
    child.stderr!.on("data", (chunk: Uint8Array) => {
      errors = (errors + new TextDecoder().decode(chunk)).slice(-ERROR_TEXT_MAX);
    });
    child.once("close", (code: number | null, signal: string | null) => {
      // Ended by us. Of one that crashed people are told also now: its driver goes as soon as it notices the loss.
      if (this.#stopping && (code === 0 || signal === "SIGKILL")) return;
      const why = errors.trim() === "" ? "" : `: ${errors.trim()}`;
      this.#options.onLost?.(`The cluster's ${what} ended with ${signal ?? `code ${code}`}${why}`);
    });
  }

  /** End everything, agents first so that they can say good-bye; waits until all are gone. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#agents.splice(0).map(({ process }) => end(process)));
    if (this.#head !== null) await end(this.#head.process);
    this.#head = null;
    if (this.#ephemeral) rmSync(this.sessionDir, { recursive: true, force: true });
  }
}

/** The end of what a process wrote to stderr is the reason when it ends by itself. */
const ERROR_TEXT_MAX = 4_000;

/** Cut the lifeline and wait; by force when it takes too long. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    child.ref();
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.stdin!.end();
  });
}
