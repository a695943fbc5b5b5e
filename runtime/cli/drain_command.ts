/**
 * `mobula drain NODE`: no new work goes to the node, and it leaves the cluster when what runs there has ended, or at the
 * deadline.
 * @module
 */
import { DRAIN_DEADLINE_MS } from "../common/config.ts";
import type { NodeId } from "../common/ids.ts";
import { withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import { COMMON_FLAGS, type Flags, parseFlags, UsageError } from "./usage.ts";

export const DRAIN_FLAGS: Flags = {
  ...COMMON_FLAGS,
  deadline: { type: "string", value: "SECONDS", help: "when it leaves at the latest; default an hour" },
  reason: { type: "string", value: "TEXT", help: "why, for people" },
  "if-idle": { type: "boolean", help: "only if nothing runs there" },
};

/** 0: it is being drained (or is gone already); 1: it was refused. */
export async function drainCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("drain", args, DRAIN_FLAGS, 1);
  const nodeId = flags.positionals[0];
  if (nodeId === undefined || !nodeId.startsWith("n-")) {
    throw new UsageError("drain: say which node, such as n-1f3a…; `mobula status` lists them");
  }
  const seconds = flags.number("deadline", 0);
  return await withHead(flags, async (head) => {
    const answer = await head.ask("drainNode", {
      nodeId: nodeId as NodeId,
      deadlineMs: seconds === null ? DRAIN_DEADLINE_MS : seconds * 1_000,
      reason: flags.text("reason") ?? "mobula drain",
      ifIdle: flags.isSet("if-idle"),
    });
    if (flags.isSet("json")) printJson({ nodeId, ...answer });
    else if (answer.accepted) print(answer.message);
    else process.stderr.write(`mobula: ${answer.message}\n`);
    return answer.accepted ? 0 : 1;
  });
}
