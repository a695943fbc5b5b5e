/**
 * The peers: thread pools that a TypeScript user would take for the same work today, with two threads each. One that
 * cannot be loaded is named as missing in the table.
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Contestant } from "./timing.ts";

const THREADS = 2;

/** A pool that is running. */
export interface Peer {
  readonly name: string;
  call(value: number): Promise<number>;
  close(): Promise<void>;
}

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

export async function openPiscina(): Promise<Peer> {
  const { Piscina } = await import("piscina");
  const pool = new Piscina({
    filename: pathOf("./piscina_worker.ts"),
    minThreads: THREADS,
    maxThreads: THREADS,
  });
  return { name: "piscina", call: (value) => pool.run(value), close: () => pool.destroy() };
}

export async function openPoolifier(): Promise<Peer> {
  const { FixedThreadPool } = await import("poolifier");
  const pool = new FixedThreadPool<number, number>(THREADS, pathOf("./poolifier_worker.ts"));
  return { name: "poolifier", call: (value) => pool.execute(value), close: () => pool.destroy() };
}

/** The peer's calls one at a time. */
export function oneAtATime(peer: Peer): Contestant {
  return {
    name: peer.name,
    slice: async (operations, lap) => {
      for (let index = 0; index < operations; index++) {
        check(await peer.call(index), index);
        lap();
      }
    },
  };
}

/** The peer's calls, `inFlight` at once: a batch, then the next. */
export function inFlight(peer: Peer, count: number): Contestant {
  return {
    name: peer.name,
    slice: async (operations) => {
      for (let done = 0; done < operations; done += count) {
        const values = await Promise.all(Array.from({ length: count }, (_, index) => peer.call(index)));
        check(values[count - 1]!, count - 1);
      }
    },
  };
}

/** A benchmark of wrong answers measures nothing. */
export function check(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`got ${String(actual)} instead of ${String(expected)}`);
}
