/**
 * Numbers as people read them, each with its unit.
 * @module
 */

import { byteText as bytes } from "../../../runtime/common/byte_text.ts";

export { bytes };

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 1,234,567 */
export function count(value: number): string {
  return whole.format(value);
}

/** 12.3k: for places where only the size matters. */
export function shortCount(value: number): string {
  if (value < 10_000) return whole.format(value);
  if (value < 1e6) return `${threeDigits(value / 1e3)}k`;
  return `${threeDigits(value / 1e6)}M`;
}

/** 830 µs, 12.3 ms, 4.20 s, 3 m 05 s, 2 h 10 m, 3 d 04 h */
export function duration(ms: number): string {
  if (ms < 0.9995) return `${whole.format(ms * 1000)} µs`;
  if (ms < 999.5) return `${threeDigits(ms)} ms`;
  if (ms < 59_950) return `${threeDigits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} m`;
  return `${Math.floor(seconds / 86_400)} d ${two(Math.floor(seconds / 3600) % 24)} h`;
}

/** Time of day, local. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}

/** A resource's quantity: memory in bytes, others in whole units. */
export function quantity(name: string, value: number): string {
  if (name === "memory" || name === "object_store_memory") return bytes(value);
  return String(Math.round(value * 100) / 100);
}

/** A job's command line without the folders of absolute paths: `sort.ts --mb 48`. */
export function program(entrypoint: string): string {
  return entrypoint.replace(/(^|\s)\/\S*\/(?=\S)/g, "$1") || "(interactive)";
}

/** `n-3f2a91c07b` as `n-3f2a91c0`, `t-65255920e66-4a` as `t-6525…-4a`: enough to tell apart. */
export function shortId(id: string): string {
  const tail = id.indexOf("-", 2);
  if (tail > 8) return `${id.slice(0, 6)}…${id.slice(tail)}`;
  return id.length > 10 ? id.slice(0, 10) : id;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}
