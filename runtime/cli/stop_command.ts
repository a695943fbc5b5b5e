/**
 * `mobula stop`: ends what `mobula start` left in this session: every supervisor with its agent and head; with --address,
 * only what belongs to that cluster. The store, the logs and the token stay, so that the next start continues.
 * @module
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type ClusterFile, defaultSessionDir } from "../process/config.ts";
import { isRunning, runningSupervisors, withdrawCluster } from "../process/session.ts";
import { print, printJson } from "./print.ts";
import { checkAddress, findToken } from "./head_client.ts";
import {
  type CommandDefinition,
  COMMON_FLAGS,
  type Flags,
  type ParsedArguments,
  UsageError,
} from "./usage.ts";

/** A supervisor ends its processes within 2 x 10 s; after this it is killed, and they end with it. */
const STOP_TIMEOUT_MS = 25_000;

/** Of all commands; what is ended runs under this user here, so that no token is asked for. */
const STOP_FLAGS: Flags = {
  json: COMMON_FLAGS["json"]!,
  address: { ...COMMON_FLAGS["address"]!, help: "only what belongs to the cluster with this head" },
  "token-file": {
    ...COMMON_FLAGS["token-file"]!,
    help: "not needed: only this session's processes are ended",
  },
};

export const stopCommand: CommandDefinition = {
  name: "stop",
  summary: "end what was started here",
  flags: STOP_FLAGS,
  examples: [
    ["mobula stop", "every head and node of this session; the store, the logs and the token stay"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  if (flags.isSet("token-file")) findToken(flags);
  const sessionDir = defaultSessionDir();
  const running = runningSupervisors(sessionDir);
  const wanted = flags.text("address");
  if (wanted !== null && wanted !== "auto") checkAddress(wanted);
  // Agents that were added later first, the head last: they say good-bye to it.
  const supervisors = running
    .filter(({ address }) => wanted === null || wanted === "auto" || address === wanted)
    .sort((a, b) => Number(a.isHead) - Number(b.isHead));
  if (supervisors.length === 0 && running.length > 0) {
    const others = [...new Set(running.map(({ address }) => address))].join(", ");
    throw new UsageError(
      `stop: nothing of ${wanted} runs in this session (${sessionDir}), only of ${others}`,
    );
  }
  for (const supervisor of supervisors) await stop(sessionDir, supervisor);
  if (supervisors.length === running.length && existsSync(join(sessionDir, "n"))) {
    rmSync(join(sessionDir, "n"), { recursive: true, force: true });
  }
  const ended = supervisors.map(({ pid, address, nodeId, isHead }) => ({ pid, address, nodeId, isHead }));
  if (flags.isSet("json")) printJson({ sessionDir, ended });
  else if (ended.length === 0) print(`nothing runs here (session ${sessionDir})`);
  else {for (const { nodeId, address, isHead } of ended) {
      print(`ended ${isHead ? `cluster ${address}, ` : ""}node ${nodeId}`);
    }}
  return 0;
}

async function stop(sessionDir: string, supervisor: ClusterFile): Promise<void> {
  const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
  signal(supervisor.pid, "SIGTERM");
  // Not a child of ours: there is nothing to wait on but the process table.
  while (isRunning(supervisor)) {
    if (performance.now() > deadlineMs) signal(supervisor.pid, "SIGKILL");
    await delay(20);
  }
  withdrawCluster(sessionDir, supervisor.pid);
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended just now.
  }
}
