/**
 * `mobula doctor`: what is wrong with this machine and with the cluster, and what to do about it.
 * @module
 */
import { AuthenticationError } from "../common/errors.ts";
import { defaultSessionDir } from "../process/config.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import { type Finding, machineFindings } from "./doctor_checks.ts";
import { connectHead, destinationOf } from "./head_client.ts";
import { print, printJson, table } from "./print.ts";
import { UnreachableError } from "./unreachable_error.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments } from "./usage.ts";

/** Times of tasks on two nodes are compared: what is off by more shows as work before its submission. */
const CLOCK_OFFSET_MS = 50;

export const doctorCommand: CommandDefinition = {
  name: "doctor",
  summary: "what is wrong with this machine and the cluster, and what to do",
  flags: COMMON_FLAGS,
  examples: [
    [
      "mobula doctor",
      "runtimes, shared memory, limits, ports, the session folder, the store, the nodes' clocks",
    ],
    ["mobula doctor --json", "the same for scripts; exits with 1 when something is bad"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const findings = [...await machineFindings(defaultSessionDir()), ...await clusterFindings(flags)];
  const bad = findings.filter(({ state }) => state === "bad").length;
  if (flags.isSet("json")) printJson(findings);
  else {
    print(table(["CHECK", "", "FOUND"], findings.map(({ check, state, found }) => [check, state, found])));
    const advised = findings.filter(({ advice }) => advice !== "");
    if (advised.length > 0) print();
    for (const { check, state, advice } of advised) print(`${state}  ${check}: ${advice}`);
  }
  return bad === 0 ? 0 : 1;
}

/** Of the cluster that is meant; none running is no fault. */
async function clusterFindings(flags: ParsedArguments): Promise<Finding[]> {
  const check = "cluster";
  try {
    const head = await connectHead(destinationOf(flags));
    try {
      const info = await head.ask("clusterInfo", {});
      const clocks = await head.ask("clocks", {});
      return [
        { check, state: "ok", found: `${info.clusterId} at ${info.address}`, advice: "" },
        ...info.storeWaiting
          ? [
            {
              check: "store",
              state: "bad",
              found: `it takes no writes: ${info.storeWaiting}`,
              advice: "new actors, jobs and keys wait for it: make room, or bring it back",
            } satisfies Finding,
          ]
          : [],
        ...info.nodes.filter(({ state }) => state === "SUSPECT").map(({ nodeId, stateMessage }): Finding => ({
          check: nodeId,
          state: "warn",
          found: stateMessage,
          advice: "look at its machine's load and network",
        })),
        ...clocks.nodes.map((clock) => clockFinding(clock, clocks.version)),
      ];
    } finally {
      head.close();
    }
  } catch (error) {
    if (error instanceof UnreachableError || error instanceof AuthenticationError) {
      const asked = flags.isSet("address");
      const advice = asked ? "see whether it runs, and whether the address and the token are right" : "";
      return [{ check, state: asked ? "bad" : "ok", found: error.message, advice }];
    }
    throw error;
  }
}

function clockFinding(
  { nodeId, offsetMs, roundTripMs, version }: HeadMethods["clocks"]["result"]["nodes"][number],
  headVersion: string,
): Finding {
  if (offsetMs === null || roundTripMs === null) {
    const advice = "its agent is busy or stands still: look at its log and its machine's load";
    return { check: nodeId, state: "warn", found: "does not answer within 3 s", advice };
  }
  const found = `mobula ${version}, clock ${signed(offsetMs)} ms ` +
    `(known to ${Math.max(1, Math.round(roundTripMs / 2))} ms)`;
  if (version !== headVersion) {
    const advice = `the head is mobula ${headVersion}: run one version on all nodes`;
    return { check: nodeId, state: "bad", found, advice };
  }
  if (Math.abs(offsetMs) - roundTripMs / 2 > CLOCK_OFFSET_MS) {
    const advice =
      "times of its tasks are off by that much: have both machines keep time (chrony, systemd-timesyncd)";
    return { check: nodeId, state: "warn", found, advice };
  }
  return { check: nodeId, state: "ok", found, advice: "" };
}

/** +3, -3, +0. */
function signed(value: number): string {
  const whole = Math.round(value);
  return whole < 0 ? String(whole) : `+${Math.abs(whole)}`;
}
