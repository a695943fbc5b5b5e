/**
 * `mobula drain NODE`: no new work goes to the node, and it leaves the cluster when what runs there has ended, or at the
 * deadline.
 * @module
 */
import { DRAIN_DEADLINE_MS } from "../common/config.ts";
import type { NodeId } from "../common/ids.ts";
import { withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import {
  type CommandDefinition,
  COMMON_FLAGS,
  type Flags,
  type ParsedArguments,
  UsageError,
} from "./usage.ts";

const DRAIN_FLAGS: Flags = {
  ...COMMON_FLAGS,
  deadline: { type: "string", value: "SECONDS", help: "when it leaves at the latest; default an hour" },
  reason: { type: "string", value: "TEXT", help: "why, for people" },
  "if-idle": { type: "boolean", help: "only if nothing runs there" },
};

export const drainCommand: CommandDefinition = {
  name: "drain",
  summary: "take a node out, its work and objects first",
  positionals: [{ name: "NODE", help: "its id; `mobula ls nodes` lists them", isRequired: true }],
  flags: DRAIN_FLAGS,
  examples: [
    [
      "mobula drain n-1f3a… --reason 'new disk'",
      "no new work goes there; it leaves when what runs there has ended",
    ],
    ["mobula drain n-1f3a… --deadline 60", "it leaves after a minute at the latest"],
  ],
  run,
};

/** 0: it is being drained (or is gone already); 1: it was refused. */
async function run(flags: ParsedArguments): Promise<number> {
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
