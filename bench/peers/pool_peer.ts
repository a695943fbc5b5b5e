/**
 * A thread pool or a job queue as a peer: what a TypeScript user would take today for the calls of the comparison. It has
 * no actors, objects or waiting, so it takes part in two rows.
 *
 *   pool_peer.ts piscina|tinypool|workerpool|poolifier|bullmq
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { serveWorkloads } from "./workload.ts";

const THREADS = Math.max(2, cpus().length);
const IN_FLIGHT = 1_000;

interface Pool {
  readonly call: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const POOLS: Readonly<Record<string, () => Promise<Pool>>> = {
  async piscina() {
    const { Piscina } = await import("piscina");
    const filename = pathOf("./pool_work.mjs");
    const pool = new Piscina({ filename, minThreads: THREADS, maxThreads: THREADS });
    return { call: () => pool.run(0), close: () => pool.destroy() };
  },
  async tinypool() {
    const { default: Tinypool } = await import("tinypool");
    const filename = new URL("./pool_work.mjs", import.meta.url).href;
    const pool = new Tinypool({ filename, minThreads: THREADS, maxThreads: THREADS });
    return { call: () => pool.run(0), close: () => pool.destroy() };
  },
  async workerpool() {
    const { default: workerpool } = await import("workerpool");
    const size = { minWorkers: THREADS, maxWorkers: THREADS, workerType: "thread" } as const;
    const pool = workerpool.pool(pathOf("./workerpool_thread.mjs"), size);
    return {
      call: async () => await pool.exec("smallValue", []),
      close: async () => {
        await pool.terminate(true);
      },
    };
  },
  async poolifier() {
    const { FixedThreadPool } = await import("poolifier");
    const pool = new FixedThreadPool<number, unknown>(THREADS, pathOf("./poolifier_thread.mjs"));
    return { call: () => pool.execute(0), close: () => pool.destroy() };
  },
  bullmq: openBullmq,
};

/** BullMQ on a redis-server of its own that keeps nothing on disk; producer, queue events and worker in this process. */
async function openBullmq(): Promise<Pool> {
  const { Queue, QueueEvents, Worker } = await import("bullmq");
  const folder = mkdtempSync(join(tmpdir(), "mobula-redis-"));
  const path = join(folder, "redis.sock");
  const server = spawn("redis-server", [
    "--port",
    "0",
    "--unixsocket",
    path,
    "--save",
    "",
    "--appendonly",
    "no",
  ], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await redisReady(server);
  const connection = { path, maxRetriesPerRequest: null };
  const queue = new Queue("calls", { connection });
  const events = new QueueEvents("calls", { connection });
  // Each call that is waited for listens.
  queue.setMaxListeners(0);
  events.setMaxListeners(0);
  const worker = new Worker("calls", () => Promise.resolve("ok"), { connection, concurrency: 100 });
  await Promise.all([worker.waitUntilReady(), events.waitUntilReady()]);
  return {
    call: async () => {
      const job = await queue.add("call", 0, { removeOnComplete: { count: 10 * IN_FLIGHT } });
      return await job.waitUntilFinished(events);
    },
    close: async () => {
      await Promise.all([queue.close(), events.close(), worker.close()]);
      server.kill();
      await once(server, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function redisReady(server: ChildProcess): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`redis-server ended with ${code}: ${said}`)));
    server.stdout!.on("data", (chunk: Uint8Array) => {
      said += String(chunk);
      if (said.includes("eady to accept connections")) resolve();
    });
  });
}

const name = process.argv[2] ?? "";
const open = POOLS[name];
if (open === undefined) throw new Error(`pool_peer.ts takes one of ${Object.keys(POOLS).join(", ")}`);
const pool = await open();
await serveWorkloads({
  "single client tasks sync": {
    multiplier: 1,
    run: async () => {
      await pool.call();
    },
  },
  "single client tasks async": {
    multiplier: IN_FLIGHT,
    run: async () => {
      await Promise.all(Array.from({ length: IN_FLIGHT }, pool.call));
    },
  },
}, pool.close);
process.exit(0);
