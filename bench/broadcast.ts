/**
 * A broadcast between hosts whose links have a limited rate: what it costs beside sending to one of them. On one machine's
 * loopback all copies compete for its processors, and nothing is seen of who sends what to whom.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { get, init, type ObjectRef, release, remote, shutdown, wait } from "../runtime/mod.ts";
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
import { check } from "./pools.ts";
import { ShapedLinks } from "./shaped_links.ts";
import type { Bench } from "./store.ts";
import { type Contestant, medianOf, missing, race, type Result } from "./timing.ts";

const MB = 1024 * 1024;
const BYTES = 64 * MB;
const RECEIVERS = 8;
/** Little beside what this machine's processors can move in all. */
const MEGABITS = 500;
const ROUNDS = 3;
const TITLE = `store: 64 MB to ${RECEIVERS} agents, each behind a link of ${MEGABITS} Mbit/s`;
const ONE = "to one agent";

const make = remote((bytes: number) => new Uint8Array(bytes).fill(1));
const sizeOf = remote((value: Uint8Array) => value.length);
const on = (nodeId: string) => ({ schedulingStrategy: { nodeId } });

export async function measureBroadcast(bench: Bench): Promise<void> {
  if (!bench.isWanted(TITLE)) return;
  process.stderr.write(`${TITLE} ...\n`);
  const reason = ShapedLinks.whyNot();
  if (reason !== null) {
    return bench.add({ title: TITLE, unit: "ms", results: [missing("mobula", reason)] });
  }
  const links = ShapedLinks.make(RECEIVERS + 1, MEGABITS);
  const cluster = new LinkedCluster(links, mkdtempSync(join(bench.folder, "links-")));
  try {
    const [source, ...receivers] = await cluster.start(RECEIVERS + 1);
    const results = await broadcasts(source!, receivers);
    bench.add({ title: TITLE, unit: "ms", results, mark: { than: ONE, ratio: 1 / 3 } });
  } finally {
    await cluster.stop();
    links.remove();
  }
}

async function broadcasts(source: string, receivers: readonly string[]): Promise<Result[]> {
  const made: ObjectRef<Uint8Array>[] = [];
  const send = (name: string, index: number, to: readonly string[]): Contestant => ({
    name,
    slice: async () => {
      const sizes = to.map((node) => sizeOf.options(on(node)).remote(made[index]!));
      for (const size of await get(sizes)) check(size, BYTES);
      for (const ref of sizes) release(ref);
    },
  });
  const contestants = [send("mobula", 0, receivers), send(ONE, 1, receivers.slice(0, 1))];
  const all: Result[][] = [];
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const ref of made.splice(0)) release(ref);
    for (const _ of contestants) made.push(make.options(on(source)).remote(BYTES));
    await wait(made, { numReturns: made.length, fetchLocal: false, timeoutMs: 60_000 });
    all.push(await race(contestants, { operations: 1, slices: 1, warmups: 0 }));
  }
  for (const ref of made) release(ref);
  return contestants.map((_, index) => medianOf(all.slice(1).map((round) => round[index]!)));
}

/** A head and the driver's agent on this machine's own address, an agent on each host. */
class LinkedCluster {
  readonly #links: ShapedLinks;
  readonly #folder: string;
  readonly #processes: ChildProcess[] = [];

  constructor(links: ShapedLinks, folder: string) {
    this.#links = links;
    this.#folder = folder;
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
      objectStoreBytes: 3 * BYTES,
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
