/**
 * How long ago something was, kept up to date; the time itself on hover.
 * @module
 */
import { clock, duration } from "../models/format.ts";
import { headNow } from "../models/head_clock.ts";

export interface AgeProps {
  /** Milliseconds since the epoch; null shows a dash. */
  readonly sinceMs: number | null;
  /** It lasted until then. */
  readonly untilMs?: number | null;
}

export function Age({ sinceMs, untilMs }: AgeProps) {
  if (sinceMs === null) return <span class="zero">–</span>;
  const ms = Math.max(0, (untilMs ?? headNow.value) - sinceMs);
  const text = ms < 1_000 && untilMs == null
    ? "now"
    : duration(untilMs == null ? Math.floor(ms / 1000) * 1000 : ms);
  return <time dateTime={new Date(sinceMs).toISOString()} title={clock(sinceMs)}>{text}</time>;
}
