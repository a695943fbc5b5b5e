/**
 * A cluster whose nodes are on hosts behind links (shaped_links.ts), this process its driver.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { init, shutdown } from "../runtime/mod.ts";
import {
  type AgentConfig,
  type AgentReady,
  type HeadConfig,
  type HeadReady,
  PROCESS_CONFIG_VARIABLE,
  tokenPath,
} from "../runtime/process/config.ts";
import { publishCluster } from "../runtime/process/session.ts";
import { startProcess } from "../runtime/process/start_process.ts";
import type { ShapedLinks } from "./shaped_links.ts";

/** A head and the driver's agent on this machine's own address, an agent on each host. */
export class LinkedCluster {
  readonly #links: ShapedLinks;
  readonly #folder: string;
  readonly #storeBytes: number;
  readonly #processes: ChildProcess[] = [];

  /** Each node has a store of `storeBytes`. */
  constructor(links: ShapedLinks, folder: string, storeBytes: number) {
    this.#links = links;
    this.#folder = folder;
    this.#storeBytes = storeBytes;
  }

  /** Attaches this process. The hosts' nodes. */
  async start(hosts: number): Promise<string[]> {
    writeFileSync(tokenPath(this.#folder), "bench\n", { mode: 0o600 });
    const shared = { sessionDir: this.#folder, host: this.#links.address, port: 0, lifeline: true } as const;
    const headConfig: HeadConfig = { ...shared, dashboardPort: null, store: null, runtime: "bun" };
    const head = await startProcess<HeadReady>("head_main.ts", headConfig);
    this.#processes.push(head.process);
    const agentConfig: AgentConfig = {
      ...shared,
      headAddress: head.ready.address,
      resources: { numCpus: 1, numGpus: 0, resources: {}, labels: {} },
      objectStoreBytes: this.#storeBytes,
      objectStoreDir: null,
      spillDir: null,
      runtime: "bun",
      workerRuntime: "bun",
      isHeadNode: false,
      prestart: 1,
    };
    const ownConfig: AgentConfig = { ...agentConfig, isHeadNode: true };
    const own = await startProcess<AgentReady>("agent_main.ts", ownConfig);
    this.#processes.push(own.process);
    const nodes = await Promise.all(Array.from({ length: hosts }, async (_, host) => {
      return await this.#startOn(host, { ...agentConfig, host: this.#links.addressOf(host) });
    }));
    const { nodeId, socketPath, clusterId } = own.ready;
    publishCluster(this.#folder, {
      pid: process.pid,
      pidStart: null,
      clusterId,
      address: head.ready.address,
      dashboardUrl: null,
      nodeId,
      socketPath,
      startedMs: Date.now(),
      isHead: true,
    });
    process.env["MOBULA_SESSION_DIR"] = this.#folder;
    await init({ address: "auto" });
    return nodes;
  }

  async #startOn(host: number, config: AgentConfig): Promise<string> {
    const program = fileURLToPath(new URL("../runtime/process/agent_main.ts", import.meta.url));
    const [command, ...args] = [...this.#links.commandOn(host), process.execPath, program];
    const child = spawn(command!, args, {
      env: { ...process.env, [PROCESS_CONFIG_VARIABLE]: JSON.stringify(config) },
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#processes.push(child);
    return await new Promise((resolve, reject) => {
      let out = "";
      child.stdout!.on("data", (chunk) => {
        out += chunk;
        if (!out.includes("\n")) return;
        const ready = JSON.parse(out.slice(0, out.indexOf("\n"))) as AgentReady | {
          ready: false;
          error: string;
        };
        if (ready.ready) resolve(ready.nodeId);
        else reject(new Error(ready.error));
      });
      child.once("exit", (code) => reject(new Error(`the agent of host ${host} ended with code ${code}`)));
    });
  }

  /** The end of their stdin is theirs, the head's last. */
  async stop(): Promise<void> {
    await shutdown();
    delete process.env["MOBULA_SESSION_DIR"];
    for (const child of this.#processes.splice(0).reverse()) {
      if (child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.stdin!.end();
      await ended;
    }
  }
}
