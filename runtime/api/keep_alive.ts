/**
 * Keeps the process alive while somebody waits for the cluster.
 * @module
 */
import { hold, letGo } from "../io/core_worker/process_hold.ts";

/** The same promise; the process lives at least until it is settled. */
export async function keepAlive<T>(promise: Promise<T>): Promise<T> {
  hold();
  try {
    return await promise;
  } finally {
    letGo();
  }
}
