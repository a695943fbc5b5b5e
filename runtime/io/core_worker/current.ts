/**
 * The one core worker of this process: set by init() in a driver and by the worker process. User code in both reaches the
 * cluster through it.
 * @module
 */
import { MobulaError } from "../../common/errors.ts";
import type { CoreWorker } from "./core_worker.ts";

let current: CoreWorker | null = null;

export function currentCoreWorker(): CoreWorker | null {
  return current;
}

export function setCurrentCoreWorker(core: CoreWorker | null): void {
  current = core;
}

/** What the first remote, put, get or wait does when there is no cluster yet: set by the API. Answers a core worker that
 *  is connecting. */
let autoInit: (() => CoreWorker) | null = null;

export function setAutoInit(init: () => CoreWorker): void {
  autoInit = init;
}

/** The core worker; the first call in a driver that did not call init() begins to connect. */
export function requireCoreWorker(): CoreWorker {
  if (current !== null) return current;
  if (autoInit !== null) return autoInit();
  throw new MobulaError("Not connected to a cluster: await init() before the first remote call", {
    code: "NotInitialized",
  });
}
