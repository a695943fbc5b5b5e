/** Lost objects whose driver is gone are made again for those who hold their refs: by a process that does. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { get, getActor, type HandleOf, kill, listObjects, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { firstNodeId, startCases, workerRuntime } from "./cases.ts";
import { BYTES, farNode, letGo, replace } from "./lost_nodes.ts";

const DRIVER = join(import.meta.dirname, "programs/heir_driver.ts");

const leftovers = watchLeftovers();
beforeAll(async () => {
  await startCases({ numCpus: 2, namespace: "heirs" });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** As heir_driver.ts has it. */
const Keeper = remote(
  class Keeper {
    look(_name: string): unknown {
      throw new Error("only its type is used");
    }
    throughTask(_name: string): unknown {
      throw new Error("only its type is used");
    }
    letGo(): void {}
  },
);
type KeeperHandle = HandleOf<typeof Keeper>;

for (const how of ["ends", "stay"] as const) {
  test(
    `what a driver made that ${
      how === "ends" ? "has ended" : "was killed"
    } is made again for a detached actor`,
    async () => {
      const { local } = currentDriver()!;
      const env = { MOBULA_ADDRESS: local!.address, MOBULA_TOKEN: local!.token };
      const tally = Tally.options({ name: "runs", schedulingStrategy: { nodeId: firstNodeId() } }).remote();
      let node = await farNode();
      const driver = new StartedProgram("bun", DRIVER, { args: [firstNodeId(), how, workerRuntime], env });
      expect(await driver.line()).toBe("stored");
      if (how === "stay") driver.kill("SIGKILL");
      await driver.ended;
      const keeper = await getActor("keeper", { namespace: "heirs" }) as unknown as KeeperHandle;
      const ran = await get(tally.take.remote());
      expect(ran.length).toBe(7);
      for (let mark = 0; mark < 150; mark++) await get(tally.add.remote("mark"));
      node = await replace(node);
      // Its argument's ref was released before: two runs.
      expect(await get(keeper.throughTask.remote("chain"))).toBe(151 + 100);
      expect(await get(keeper.look.remote("chain"))).toEqual([BYTES, 251]);
      const early = await get(keeper.look.remote("early")) as number[];
      expect(early).toEqual([BYTES, 153]);
      expect(await get([keeper.look.remote("item2"), keeper.look.remote("item1")])).toEqual([[BYTES, 2], [
        BYTES,
        1,
      ]]);
      expect(await get(keeper.look.remote("shrunk"))).toBe("small");
      const again = (await get(tally.take.remote())).slice(150);
      expect(again).toEqual(["source", "next", "early", "items", "shrinks"]);
      const [code, message] = await get(keeper.look.remote("once")) as [string, string];
      expect(code).toBe("OwnerDiedError");
      expect(message).toContain("its owner has ended");
      const cancelled = await get(keeper.look.remote("cancelled")) as [string, string];
      expect(cancelled[0]).toBe("TaskCancelledError");
      await get(keeper.letGo.remote());
      await waitFor("nothing of it is stored", async () => (await listObjects()).length === 0);
      await kill(keeper);
      letGo(tally);
      await kill(await getActor("runs", { namespace: "heirs" }));
      await node.kill();
    },
    60_000,
  );
}
