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
  const text = untilMs == null ? ageText(ms) : duration(ms);
  return <time dateTime={new Date(sinceMs).toISOString()} title={clock(sinceMs)}>{text}</time>;
}

/** What goes on has no fractions of a second: they would only flicker. */
export function ageText(ms: number): string {
  return ms < 60_000 ? `${Math.floor(ms / 1000)} s` : duration(ms);
}
