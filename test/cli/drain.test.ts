/** `mobula drain NODE`, as a user runs it: a second node of a started cluster leaves, and its supervisor with it. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { ClusterFile } from "../../runtime/process/config.ts";
import { CliSession } from "../support/cli.ts";
import { isAlive } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

interface Status {
  readonly nodes: readonly { nodeId: string; state: string; stateMessage: string; drain: unknown }[];
}

let session: CliSession;
beforeEach(() => {
  session = new CliSession();
});
afterEach(() => session.end());

test("a drained node leaves with its reason; the head's node and unknown ones are refused", async () => {
  const small = ["--num-cpus", "1", "--object-store-bytes", "16777216"];
  const head = await session.json<ClusterFile>(
    ...["start", "--head", "--port", "0", "--dashboard-port", "0", ...small],
  );
  const second = await session.json<ClusterFile>("start", "--address", head.address, ...small);
  const nodes = async () => (await session.json<Status>("status")).nodes;
  expect((await nodes()).map(({ state, drain }) => [state, drain])).toEqual([["ALIVE", null], [
    "ALIVE",
    null,
  ]]);

  expect(await session.mobula(["drain"])).toMatchObject({ code: 1 });
  expect((await session.mobula(["drain", "n-none"])).error).toContain("no such node");
  expect((await session.mobula(["drain", head.nodeId])).error).toContain("head");
  const done = await session.mobula(["drain", second.nodeId, "--reason", "repair", "--deadline", "30"]);
  expect(done).toMatchObject({ code: 0 });
  expect(done.out).toContain("repair");
  const left = await waitFor("it has left", async () => {
    const row = (await nodes()).find(({ nodeId }) => nodeId === second.nodeId)!;
    return row.state === "DEAD" && row;
  }, 20_000);
  expect(left.stateMessage).toContain("drained: repair");
  await waitFor("its supervisor ended", () => !isAlive(second.pid));
}, 60_000);
