/**
 * init, shutdown: a process's way into a cluster and out of it.
 * @module
 */
import { MobulaError } from "../common/errors.ts";
import { checkInitOptions } from "../common/options.ts";
import type { Cluster, InitOptions } from "../common/public_types.ts";
import { currentCoreWorker, requireCoreWorker, setAutoInit } from "../io/core_worker/current.ts";
import { workerState } from "../io/core_worker/worker_state.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import { Driver } from "./driver.ts";
import { keepAlive } from "./keep_alive.ts";

let driver: Driver | null = null;

/**
 * Connect to a cluster: by address, to the one running here ("auto"), or to an embedded one that is started now and ends
 * with this process. In a worker it joins the worker's own cluster.
 * @throws {TypeError | RangeError} for an unknown option or a bad value, naming it.
 * @throws {MobulaError} when this process is connected already, no cluster can be reached or started, or shutdown() came first.
 * @throws {AuthenticationError} for a wrong token.
 */
export async function init(options: InitOptions = {}): Promise<Cluster> {
  checkInitOptions(options);
  if (workerState() !== null) return insideCluster();
  if (driver !== null && driver.core.closedReason === null) {
    throw new MobulaError("init() was called twice: await shutdown() first", { code: "AlreadyInitialized" });
  }
  // One whose agent was lost still has its part of the cluster.
  const lost = driver?.end().catch(() => undefined);
  const next = driver = new Driver(options);
  await lost;
  await next.attached;
  // shutdown() did not wait for it.
  if (driver !== next) {
    throw new MobulaError("shutdown() was called before init() was done", { code: "ShutDown" });
  }
  return next;
}

/** Leave the cluster: the job ends, an embedded cluster with it. Idempotent. */
export async function shutdown(): Promise<void> {
  const ending = driver;
  driver = null;
  await ending?.end();
}

/** Whether this process is connected (or connecting) to a cluster. */
export function isInitialized(): boolean {
  return currentCoreWorker() !== null && currentCoreWorker()!.closedReason === null;
}

/** The driver of this process, for tests and the command line. */
export function currentDriver(): Driver | null {
  return driver;
}

setAutoInit(() => {
  driver = new Driver({});
  return driver.core;
});

/** In a worker the cluster is there; leaving it is the agent's business. */
async function insideCluster(): Promise<Cluster> {
  const asked = requireCoreWorker().link.request("head", { method: "clusterInfo", params: {} });
  const { address, dashboardUrl } = (await keepAlive(asked)).result as HeadMethods["clusterInfo"]["result"];
  return {
    address,
    ...(dashboardUrl !== null && { dashboardUrl }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
