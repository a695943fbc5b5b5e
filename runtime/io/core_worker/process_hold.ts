/**
 * Keeps the process alive while somebody waits for the cluster, whose sockets do not: a program ends when its own work does.
 * @module
 */
import { Timer } from "./timers.ts";

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
