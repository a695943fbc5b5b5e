/** Workers whose agent is killed while they compute: they end at once, though nothing starts the agent again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, init, nodes, ready, release, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive } from "../support/processes.ts";
import { RUNTIMES } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  // Nodes here are killed, not cut off: none is waited for as long as one that may come back.
  process.env["MOBULA_NODE_RECONNECT_MS"] = "500";
  await init({ numCpus: 1, dashboard: false, objectStoreBytes: 16 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const Busy = remote(
  class Busy {
    pid(): number {
      return process.pid;
    }
    compute(): never {
      for (;;);
    }
  },
);

for (const runtime of RUNTIMES) {
  test(`a worker that computes for ever does not outlive its agent, both under ${runtime}`, async () => {
    const agent = await currentDriver()!.local!.addAgent({
      numCpus: 1,
      resources: { [runtime]: 1 },
      objectStoreBytes: 16 << 20,
      runtime,
    });
    const busy = Busy.options({ resources: { [runtime]: 1 } }).remote();
    await ready(busy);
    const pid = await get(busy.pid.remote());
    const never = busy.compute.remote();
    await endProcess(agent.ready.pid);
    await waitFor(`worker ${pid} is gone`, () => !isAlive(pid), 3_000);
    await waitFor(
      "its node is dead",
      async () => (await nodes()).find((node) => node.nodeId === agent.ready.nodeId)?.alive === false,
    );
    await expect(get(never)).rejects.toThrow();
    release(never);
    release(busy);
  }, 30_000);
}
