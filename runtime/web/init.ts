/**
 * init, shutdown: a page's way into a cluster and out of it.
 * @module
 */
import { MobulaError } from "../common/errors.ts";
import type { Cluster } from "../common/public_types.ts";
import { currentCoreWorker } from "../io/core_worker/current.ts";
import { WebDriver } from "./driver.ts";
import { checkWebOptions, type WebInitOptions } from "./options.ts";

let driver: WebDriver | null = null;

/**
 * Connect to a cluster. When the connection breaks, everything pending fails with a MobulaError of code AgentLost, the job
 * ends, and init() may be called again; refs and handles of before are void then. One connection at a time per page.
 * @throws {TypeError | RangeError} for an unknown option or a bad value, naming it.
 * @throws {MobulaError} when this page is connected already, or the cluster cannot be reached.
 * @throws {AuthenticationError} for a wrong token.
 */
export async function init(options: WebInitOptions): Promise<Cluster> {
  const url = checkWebOptions(options);
  if (driver !== null && driver.core.closedReason === null) {
    throw new MobulaError("init() was called twice: await shutdown() first", { code: "AlreadyInitialized" });
  }
  const lost = driver?.end().catch(() => undefined);
  const next = driver = new WebDriver(options, url);
  await lost;
  await next.attached;
  return next;
}

/** Leave the cluster: the job ends. Idempotent. */
export async function shutdown(): Promise<void> {
  const ending = driver;
  driver = null;
  await ending?.end();
}

/** Whether this page is connected (or connecting) to a cluster. */
export function isInitialized(): boolean {
  return currentCoreWorker() !== null && currentCoreWorker()!.closedReason === null;
}
