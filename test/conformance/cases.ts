/**
 * The clusters that the behaviour cases run against: an embedded one of real processes, whose workers' runtime the long
 * run chooses (runtimes.long.test.ts), and further nodes. A case's test begins with its id: `SCHED-01 …`.
 * @module
 */
import { init, nodes } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { InitOptions } from "../../runtime/common/public_types.ts";
import type { RuntimeName } from "../../runtime/common/task_spec.ts";
import type { LocalNodeOptions } from "../../runtime/process/local_cluster.ts";
import { endProcess } from "../support/processes.ts";

/** Names the runtime of all workers of a run; absent: the nodes' own. */
export const RUNTIME_VARIABLE: string = "MOBULA_CASES_RUNTIME";

/** Enough for small objects; a case about the store says what it needs. */
const STORE_BYTES = 64 << 20;

/** The runtime that workers have in this run; Bun unless the long run says otherwise. */
export const workerRuntime: RuntimeName = (process.env[RUNTIME_VARIABLE] ?? "bun") as RuntimeName;

/** For cases outside of this folder: an option of init() for the run's runtime, or none for the nodes' own. */
export const runtimeOfRun: Pick<InitOptions, "runtimeEnv"> = process.env[RUNTIME_VARIABLE] === undefined
  ? {}
  : { runtimeEnv: { runtime: workerRuntime } };

/** An embedded cluster of one node for the cases of a file. Ends with shutdown(). */
export async function startCases(options: InitOptions = {}): Promise<void> {
  const runtimeEnv = { ...options.runtimeEnv, runtime: workerRuntime };
  // Nodes here are killed, not cut off: a node that is gone need not be waited for as long as one that may come back.
  process.env["MOBULA_NODE_RECONNECT_MS"] ??= "500";
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: STORE_BYTES, ...options, runtimeEnv });
}

/** A further node of the present cluster. */
export interface CaseNode {
  readonly nodeId: string;
  readonly pid: number;
  /** kill -9 of its agent; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Whether the cluster knows that it is dead. */
  isDead(): Promise<boolean>;
}

export async function addNode(options: LocalNodeOptions = {}): Promise<CaseNode> {
  const agent = await currentDriver()!.local!.addAgent({ objectStoreBytes: STORE_BYTES, ...options });
  const { nodeId, pid } = agent.ready;
  return {
    nodeId,
    pid,
    kill: () => endProcess(pid),
    isDead: async () => (await nodes()).find((node) => node.nodeId === nodeId)?.alive === false,
  };
}

/** The id of the node that the driver is on. */
export function firstNodeId(): string {
  return currentDriver()!.local!.agents[0]!.ready.nodeId;
}
