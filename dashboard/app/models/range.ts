/**
 * The time range that is looked at: in the address, so that a link carries it.
 * @module
 */
import { computed, type ReadonlySignal } from "@preact/signals";
import { route, setParams } from "./route.ts";

/** Milliseconds since the epoch. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** `from` and `to` of the address; null for none: all that there is. */
export const timeRange: ReadonlySignal<TimeRange | null> = computed(() => {
  const { params } = route.value;
  const fromMs = Number(params.get("from") ?? NaN);
  const toMs = Number(params.get("to") ?? NaN);
  return fromMs > 0 && toMs > fromMs ? { fromMs, toMs } : null;
});

export function setTimeRange(range: TimeRange | null): void {
  setParams({
    from: range === null ? null : String(Math.round(range.fromMs)),
    to: range === null ? null : String(Math.round(range.toMs)),
  });
}
