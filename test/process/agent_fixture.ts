/**
 * A head and agents as real processes, and drivers that are nothing but what they say to an agent: for tests of the agent
 * without the public API.
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROTOCOL_VERSION } from "../../runtime/common/config.ts";
import type { JobId, NodeId, ProcessId, TaskId } from "../../runtime/common/ids.ts";
import { toUnits } from "../../runtime/common/resources.ts";
import type { Grant, LeaseRequest, RuntimeName } from "../../runtime/common/task_spec.ts";
import { connectHttp2 } from "../../runtime/io/transport/http2_client.ts";
import { Rpc } from "../../runtime/io/transport/rpc.ts";
import { connectUnix } from "../../runtime/io/transport/unix.ts";
import type { AgentConfig, AgentReady, HeadConfig, HeadReady } from "../../runtime/process/config.ts";
import { type StartedProcess, startProcess } from "../../runtime/process/start_process.ts";
import type { AgentMethods, CoreMethods, Hello } from "../../runtime/protocol/messages.ts";

const TOKEN = "a-token-of-a-test";

/** Processes of one test: a head, agents, drivers. All is gone at the end of the scope. */
export class TestCluster implements AsyncDisposable {
  readonly sessionDir: string = mkdtempSync(join(tmpdir(), "mobula-agent-"));
  readonly agents: StartedProcess<AgentReady>[] = [];
  #head: StartedProcess<HeadReady> | null = null;
  #drivers: number = 0;

  constructor() {
    writeFileSync(join(this.sessionDir, "token"), TOKEN, { mode: 0o600 });
  }

  /** A session folder of the same cluster for a node elsewhere. */
  folderFor(name: string): string {
    const folder = join(this.sessionDir, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "token"), TOKEN, { mode: 0o600 });
    return folder;
  }

  get head(): StartedProcess<HeadReady> {
    return this.#head!;
  }

  /** Start the head, or start it again at the same address. */
  async startHead(): Promise<this> {
    const port = this.#head === null ? 0 : Number(this.#head.ready.address.split(":")[1]);
    const config: HeadConfig = {
      sessionDir: this.sessionDir,
      host: "127.0.0.1",
      port,
      dashboardPort: null,
      store: null,
      runtime: "bun",
      lifeline: true,
    };
    this.#head = await startProcess<HeadReady>("head_main.ts", config);
    return this;
  }

  async startAgent(
    options: Partial<AgentConfig> & { numCpus?: number; custom?: Record<string, number> } = {},
  ): Promise<AgentReady> {
    const { numCpus = 2, custom = {}, ...rest } = options;
    const config: AgentConfig = {
      sessionDir: this.sessionDir,
      headAddress: this.head.ready.address,
      host: "127.0.0.1",
      port: 0,
      resources: { numCpus, numGpus: 0, resources: custom, labels: {} },
      objectStoreBytes: 16 * 1024 * 1024,
      objectStoreDir: null,
      spillDir: null,
      runtime: "bun",
      workerRuntime: "bun",
      isHeadNode: this.agents.length === 0,
      lifeline: true,
      prestart: 0,
      ...rest,
    };
    const started = await startProcess<AgentReady>("agent_main.ts", config);
    this.agents.push(started);
    return started.ready;
  }

  /** Attach a driver by the agent's socket, or by its port as one from elsewhere does. */
  async attach(agent: AgentReady, options: { remote?: boolean; token?: string } = {}): Promise<TestDriver> {
    const id = `d-${process.pid}x${++this.#drivers}` as ProcessId;
    const hello: Hello = {
      version: PROTOCOL_VERSION,
      token: options.token ?? TOKEN,
      role: "driver",
      id,
      clusterId: null,
      epoch: 0,
      pid: process.pid,
      runtime: "bun",
      purpose: "control",
    };
    const connection = options.remote === true
      ? await connectHttp2({ address: agent.address, path: "/control", hello })
      : await connectUnix({ path: agent.socketPath, hello });
    const driver = new TestDriver(id, agent.nodeId as NodeId, new Rpc(connection));
    await driver.register();
    return driver;
  }

  /** Kill a process and wait until it is gone. */
  async kill(
    started: { process: { pid?: number | undefined } },
    signal: NodeJS.Signals = "SIGKILL",
  ): Promise<void> {
    const child = started.process as StartedProcess<unknown>["process"];
    const ended = exitOf(child);
    child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of [...this.agents, ...(this.#head === null ? [] : [this.#head])]) {
      process.stdin!.end();
      await exitOf(process);
    }
    rmSync(this.sessionDir, { recursive: true, force: true });
  }
}

/** A driver that leases and says what it hears. */
export class TestDriver {
  readonly id: ProcessId;
  readonly nodeId: NodeId;
  readonly rpc: Rpc<CoreMethods, AgentMethods>;
  jobId: JobId = "" as JobId;
  #requests: number = 0;
  /** What came, by method, and who waits for more. */
  readonly #heard: { readonly method: keyof CoreMethods; readonly params: unknown }[] = [];
  #wake: (() => void)[] = [];

  constructor(id: ProcessId, nodeId: NodeId, rpc: Rpc<CoreMethods, AgentMethods>) {
    this.id = id;
    this.nodeId = nodeId;
    this.rpc = rpc;
    for (const method of ["reclaimLease", "leaseLost", "relayFrame", "closeRelay", "actorStatus"] as const) {
      rpc.handle({
        [method]: (params: unknown): void => {
          this.#heard.push({ method, params });
          for (const wake of this.#wake.splice(0)) wake();
        },
      });
    }
  }

  async register(): Promise<void> {
    const { result } = await this.rpc.request("registerDriver", { namespace: null, entrypoint: "test" });
    this.jobId = result.jobId;
  }

  leaseRequest(changes: Partial<LeaseRequest> & { quantities?: Record<string, number> } = {}): LeaseRequest {
    const { quantities = { CPU: 1 }, ...rest } = changes;
    return {
      requestId: `r${++this.#requests}`,
      kind: "task",
      jobId: this.jobId,
      submitter: this.id,
      submitterNode: this.nodeId,
      taskId: `t-${this.id.slice(2)}-${this.#requests}` as TaskId,
      name: "work",
      classKey: JSON.stringify(quantities),
      resources: toUnits(quantities),
      strategy: { type: "hybrid" },
      runtimeEnv: { hash: "" },
      args: [],
      backlog: 1,
      depth: 0,
      ...rest,
    };
  }

  async lease(changes: Parameters<TestDriver["leaseRequest"]>[0] = {}): Promise<Grant> {
    const { result } = await this.rpc.request("requestLease", this.leaseRequest(changes));
    if (!("grant" in result)) throw new Error("The request was cancelled.");
    return result.grant;
  }

  giveBack({ leaseId, nodeId, workerId }: Grant): void {
    this.rpc.notify("returnLease", { leaseId, nodeId, workerId });
  }

  /** The next message of this method that has not been taken yet. */
  async hears<K extends keyof CoreMethods>(method: K): Promise<CoreMethods[K]["params"]> {
    for (;;) {
      const index = this.#heard.findIndex((heard) => heard.method === method);
      if (index >= 0) return this.#heard.splice(index, 1)[0]!.params as CoreMethods[K]["params"];
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Go away without a good-bye. */
  close(): Promise<unknown> {
    this.rpc.close();
    return this.rpc.closed;
  }
}

/** Resolves when the process is gone. */
export function exitOf(child: StartedProcess<unknown>["process"]): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

/** The processes that `pid` started and that live: an agent's workers. */
export function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "").map(Number);
}

/** Resolves when the process is gone; it need not be ours. Rejects after 5 s. */
export async function gone(pid: number): Promise<void> {
  const deadlineMs = performance.now() + 5_000;
  for (;;) {
    // A zombie is gone too: it only waits for whoever inherited it.
    if (!existsSync(`/proc/${pid}/stat`) || /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) return;
    if (performance.now() > deadlineMs) throw new Error(`Process ${pid} lives on.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const RUNTIMES: readonly RuntimeName[] = ["bun", "deno", "node"];
