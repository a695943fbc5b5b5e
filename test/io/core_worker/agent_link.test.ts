/** The link to the agent keeps its promises about order and holds. */
import { describe, expect, test } from "bun:test";
import type { AgentMethods, CoreMethods } from "../../../runtime/protocol/messages.ts";
import { AgentLink } from "../../../runtime/io/core_worker/agent_link.ts";
import { Rpc } from "../../../runtime/io/transport/rpc.ts";
import { TestListener } from "../transport/unix_pair.ts";

describe("agent link", () => {
  test("holds are unconfirmed until the agent has answered a question asked after them", async () => {
    await using listener = await new TestListener().listen();
    const [near, far] = await listener.pair();
    const asked: (() => void)[] = [];
    const heard = Promise.withResolvers<void>();
    new Rpc<AgentMethods, CoreMethods>(far, {
      flushReferences: () =>
        new Promise((resolve) => {
          asked.push(() => resolve({}));
          if (asked.length === 2) heard.resolve();
        }),
    });
    const link = new AgentLink();
    link.open(new Rpc<CoreMethods, AgentMethods>(near));
    const home = "n-1" as never;
    expect(link.hasUnconfirmedHolds).toBe(false);
    link.reference({ op: "hold", id: "o-1" as never, home });
    const first = link.confirmHolds();
    // Another task that ends meanwhile has to wait as well.
    expect(link.hasUnconfirmedHolds).toBe(true);
    link.reference({ op: "hold", id: "o-2" as never, home });
    const second = link.confirmHolds();
    await heard.promise;
    asked[0]!();
    await first;
    expect(link.hasUnconfirmedHolds).toBe(true);
    asked[1]!();
    await second;
    expect(link.hasUnconfirmedHolds).toBe(false);
    link.close();
  });
});
