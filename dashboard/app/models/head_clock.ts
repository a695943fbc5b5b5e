/**
 * The head's clock, a tick a second while somebody looks at it: for ages.
 * @module
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { clockOffsetMs } from "./cluster.ts";

let timer: ReturnType<typeof setInterval> | undefined;

const now: Signal<number> = signal(Date.now(), {
  watched() {
    tick();
    timer = setInterval(tick, 1_000);
  },
  unwatched() {
    clearInterval(timer);
  },
});

/** Milliseconds since the epoch, as the head counts them. */
export const headNow: ReadonlySignal<number> = now;

function tick(): void {
  now.value = Date.now() + clockOffsetMs.peek();
}
