/**
 * Keeps the process alive while somebody waits for the cluster. The cluster's sockets do not: a program ends when its own
 * work does.
 * @module
 */
import { Timer } from "../io/core_worker/timers.ts";

let waiting = 0;
/** Made once: making and clearing a timer for every get would cost more than the rest of it. */
let timer: Timer | null = null;

/** The process lives from now on, until `letGo` was called as often. */
export function hold(): void {
  if (waiting++ > 0) return;
  if (timer === null) timer = Timer.hold();
  else timer.ref();
}

export function letGo(): void {
  if (--waiting === 0) timer!.unref();
}

/** The same promise; the process lives at least until it is settled. */
export async function keepAlive<T>(promise: Promise<T>): Promise<T> {
  hold();
  try {
    return await promise;
  } finally {
    letGo();
  }
}
