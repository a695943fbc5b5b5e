/** Objects that die with the node that made them, perhaps before anybody but their owner has heard of them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, init, ObjectLostError, type ObjectRef, release, remote, shutdown, wait } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  // Nodes here are killed, not cut off: none is waited for as long as one that may come back.
  process.env["MOBULA_NODE_RECONNECT_MS"] = "500";
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 64 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** Every process of the agent's group at once: the agent, its workers. */
async function killNode(pid: number, workers: readonly number[]): Promise<void> {
  process.kill(pid, "SIGKILL");
  for (const worker of workers) {
    try {
      process.kill(worker, "SIGKILL");
    } catch {
      // Gone with its agent.
    }
  }
  await endProcess(pid).catch(() => undefined);
}

const make = remote(() => ({ pid: process.pid, bytes: new Uint8Array(1 << 20) }), { maxRetries: 0 });
const sizeOf = remote((value: { bytes: Uint8Array }) => value.bytes.length);
const sizeInside = remote(async ([ref]: readonly [ObjectRef<{ bytes: Uint8Array }>]) => {
  const { get } = await import("mobula");
  return (await get(ref)).bytes.length;
});

test("a result whose node is killed as soon as it is known is lost for its getters, no hang", async () => {
  const agent = await currentDriver()!.local!.addAgent({
    numCpus: 1,
    resources: { far: 1 },
    objectStoreBytes: 32 << 20,
  });
  const ref = make.options({ resources: { far: 1 } }).remote();
  await wait([ref], { fetchLocal: false });
  await killNode(agent.ready.pid, []);
  const startMs = performance.now();
  const lost = await Promise.all([
    rejection(get(ref, { timeoutMs: 12_000 })),
    rejection(get(sizeOf.remote(ref), { timeoutMs: 12_000 })),
    rejection(get(sizeInside.remote([ref]), { timeoutMs: 12_000 })),
  ]);
  for (const error of lost) {
    const cause = error instanceof ObjectLostError ? error : (error as { cause?: unknown }).cause;
    expect(`${error.name}: ${error.message}`).toMatch(/ObjectLostError|lost/i);
    expect(cause).toBeInstanceOf(ObjectLostError);
  }
  expect(performance.now() - startMs).toBeLessThan(12_000);
  release(ref);
}, 30_000);
