/** The fourth of the twelve causes of why_causes.test.ts: a node that is silent for so long that it is declared dead. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, type HandleOf, ready, remote, shutdown, why } from "mobula";
import { addNode, firstNodeId, startCases } from "../conformance/cases.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { actorOf, says, taskOf } from "../support/why.ts";

const leftovers = watchLeftovers();
beforeAll(() => startCases({ numCpus: 1 }));
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test(
  "4 fenced node: suspect first, then dead and fenced; its tasks, actors and objects name it",
  async () => {
    const node = await addNode({ numCpus: 1, resources: { only_there: 4 } });
    const gate = Signal.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
    const there = { numCpus: 0, resources: { only_there: 1 } };
    const hold = remote(async (gate: HandleOf<typeof Signal>) => {
      await (await import("mobula")).get(gate.wait.remote());
    }, { ...there, maxRetries: 1 });
    const once = hold.options({ ...there, maxRetries: 0, name: "once" }).remote(gate);
    const again = hold.options({ ...there, name: "again" }).remote(gate);
    await waitFor("both run", async () => await get(gate.waiters.remote()) === 2);
    const actor = remote(class There {}, there).remote();
    await ready(actor);
    process.kill(node.pid, "SIGSTOP");
    const id = node.nodeId;
    await says(id, `${id} (…) is suspect: nothing was heard of it for <ms>…; it is dead if that lasts.`);
    await says(
      taskOf(again),
      `${
        taskOf(again)
      } (again) runs on worker w-… of ${id} since <ms>; ${id} is suspect: nothing was heard of it for <ms>.`,
    );
    await waitFor("it is dead", () => node.isDead(), 30_000);
    const dead = `${id} (…) is dead: no heartbeat for … ms; it was heard of last <ms> ago, and is fenced: …`;
    await says(id, dead);
    const cause = `NodeDiedError: …no heartbeat for …`;
    await says(taskOf(once), `${taskOf(once)} (once) failed on worker w-… of ${id}, <ms> ago with ${cause}`);
    await says(
      taskOf(again),
      `${
        taskOf(again)
      } (again, attempt 1) has waited <ms> for a worker; no node has only_there 1; …; attempt 0 failed <ms> ago with ${cause}`,
    );
    await says(
      actorOf(actor),
      `${actorOf(actor)} (There) is dead since <ms> (NODE_DIED): its node ${id} died: no heartbeat for …`,
    );
    // It hears that it is fenced, and ends.
    process.kill(node.pid, "SIGCONT");
    await waitFor("its agent has ended", () => !isAlive(node.pid));
    expect(await why(id)).toContain("is fenced");
    await get(gate.send.remote());
  },
  60_000,
);
