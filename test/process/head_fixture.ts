/**
 * A head as a real process, and nodes that are nothing but what they say to it: for tests of the head alone.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeId } from "../../runtime/common/ids.ts";
import { PROTOCOL_VERSION } from "../../runtime/common/config.ts";
import type { RuntimeName } from "../../runtime/common/task_spec.ts";
import { connectHttp2 } from "../../runtime/io/transport/http2_client.ts";
import { Rpc } from "../../runtime/io/transport/rpc.ts";
import type { HeadConfig, HeadReady } from "../../runtime/process/config.ts";
import { type StartedProcess, startProcess } from "../../runtime/process/start_process.ts";
import type { HeadMethods, Hello, NodeMethods, NodeRegistration } from "../../runtime/protocol/messages.ts";

const TOKEN = "a-token-of-a-test";

export type Link = Rpc<NodeMethods, HeadMethods>;

/** A session folder with heads in it, one after the other; all is gone at the end of the scope. */
export class TestHead implements AsyncDisposable {
  readonly sessionDir: string = mkdtempSync(join(tmpdir(), "mobula-head-"));
  readonly #config: Partial<HeadConfig>;
  #started: StartedProcess<HeadReady> | null = null;
  readonly #links: Link[] = [];

  constructor(config: Partial<HeadConfig> = {}) {
    this.#config = config;
    writeFileSync(join(this.sessionDir, "token"), TOKEN, { mode: 0o600 });
  }

  get ready(): HeadReady {
    return this.#started!.ready;
  }
  get pid(): number {
    return this.#started!.process.pid!;
  }

  /** Start, or start again at the same address. */
  async start(runtime: RuntimeName = "bun"): Promise<this> {
    const port = this.#started === null ? 0 : Number(this.ready.address.split(":")[1]);
    this.#started = await startProcess<HeadReady>("head_main.ts", {
      sessionDir: this.sessionDir,
      host: "127.0.0.1",
      port,
      dashboardPort: null,
      store: null,
      runtime,
      lifeline: true,
      ...this.#config,
    } as HeadConfig);
    return this;
  }

  /** Resolves with the exit code (null after a signal). */
  kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const ended = this.ended();
    process.kill(this.pid, signal);
    return ended;
  }

  /** Cut its lifeline, as the end of its driver does. */
  orphan(): Promise<number | null> {
    const ended = this.ended();
    this.#started!.process.stdin!.end();
    return ended;
  }

  ended(): Promise<number | null> {
    const { process } = this.#started!;
    if (process.exitCode !== null || process.signalCode !== null) return Promise.resolve(process.exitCode);
    return new Promise((resolve) => process.once("exit", (code) => resolve(code)));
  }

  /** A connection that said hello; `handlers` are what the head may tell. */
  async connect(
    hello: Partial<Hello> = {},
    handlers: ConstructorParameters<typeof Rpc<NodeMethods, HeadMethods>>[1] = {},
  ): Promise<Link> {
    const connection = await connectHttp2({
      address: this.ready.address,
      path: hello.purpose === "heartbeat" ? "/heartbeat" : "/control",
      hello: {
        version: PROTOCOL_VERSION,
        token: TOKEN,
        role: "agent",
        id: "n-1",
        clusterId: null,
        epoch: 1,
        pid: process.pid,
        runtime: "bun",
        purpose: "control",
        ...hello,
      },
    });
    const link: Link = new Rpc(connection, handlers);
    this.#links.push(link);
    return link;
  }

  /** A registered node. */
  async join(
    id: string = "n-1",
    options: {
      registration?: Partial<NodeRegistration>;
      handlers?: ConstructorParameters<typeof Rpc<NodeMethods, HeadMethods>>[1];
    } = {},
  ): Promise<Link> {
    const epoch = options.registration?.epoch ?? 1;
    const link = await this.connect({ id, epoch }, options.handlers);
    await link.request("registerNode", registration(id, options.registration));
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) link.connection.destroy(new Error("the test is over"));
    if (this.#started !== null && this.#started.process.exitCode === null) await this.kill("SIGKILL");
    rmSync(this.sessionDir, { recursive: true, force: true });
  }
}

export function registration(id: string, fields: Partial<NodeRegistration> = {}): NodeRegistration {
  return {
    nodeId: id as NodeId,
    epoch: 1,
    address: "127.0.0.1:1",
    hostname: "test",
    pid: process.pid,
    runtime: "bun",
    sessionDir: "/nowhere",
    isHeadNode: false,
    resources: { CPU: 20_000 },
    labels: {},
    objectStoreBytes: 1_000_000,
    objects: [],
    actors: [],
    drivers: [],
    ...fields,
  };
}
