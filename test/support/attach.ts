/**
 * A cluster whose head and agents a test starts by itself (an own store, an own head runtime), and this process attached
 * to it as a local driver.
 * @module
 */
import { init, shutdown } from "mobula";
import { LocalCluster, type LocalClusterOptions } from "../../runtime/process/local_cluster.ts";
import { publishCluster } from "../../runtime/process/session.ts";

/** Start it, and init() by its session folder. Ends with `endAttached`. */
export async function startAttached(options: LocalClusterOptions = {}): Promise<LocalCluster> {
  const cluster = await LocalCluster.start({ dashboard: false, objectStoreBytes: 64 << 20, ...options });
  publishSession(cluster);
  process.env.MOBULA_SESSION_DIR = cluster.sessionDir;
  await init({ address: "auto" });
  return cluster;
}

/** Drivers on this host find the cluster by its session folder, as one that `mobula start` left running. */
export function publishSession(cluster: LocalCluster): void {
  const { nodeId, socketPath, clusterId } = cluster.agents[0]!.ready;
  publishCluster(cluster.sessionDir, {
    pid: process.pid,
    pidStart: null,
    clusterId,
    address: cluster.address,
    dashboardUrl: cluster.dashboardUrl,
    nodeId,
    socketPath,
    startedMs: Date.now(),
    isHead: true,
  });
}

export async function endAttached(cluster: LocalCluster | undefined): Promise<void> {
  await shutdown();
  await cluster?.stop();
  delete process.env.MOBULA_SESSION_DIR;
}

/** kill -9 of the head; resolves when it is gone. */
export async function killHead(cluster: LocalCluster): Promise<void> {
  const { process: head } = cluster.head;
  const ended = new Promise((resolve) => head.once("exit", resolve));
  head.kill("SIGKILL");
  await ended;
}
