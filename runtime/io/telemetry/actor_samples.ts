/**
 * How actors' calls fared over the last minutes: a ring of samples for each actor that was called lately. Memory is bounded by
 * both numbers below.
 * @module
 */
import type { ActorFigures } from "../../protocol/node_rows.ts";
import type { ActorSamplesDto } from "../../../dashboard/api/entities.ts";

/** Points of one actor: five minutes of calls in every second. */
export const SAMPLES_MAX: number = 300;
/** Actors whose samples are kept; those that were called longest ago go first. */
const ACTORS_MAX = 2_000;
/** A ring begins small: most actors are called for a moment. */
const SAMPLES_FIRST = 16;
/** Values of one point besides its time. */
const WIDTH = 4;

interface Ring {
  times: Float64Array;
  values: Float32Array;
  /** Points that were ever added. */
  count: number;
}

/** See the module's header. */
export class ActorSamples {
  /** Those that were called last come last. */
  readonly #rings = new Map<string, Ring>();

  add(figures: ActorFigures, nowMs: number): void {
    const { actorId, callsPerSecond, meanCallMs, mailboxDepth, callsRunning } = figures;
    const ring = this.#rings.get(actorId) ??
      { times: new Float64Array(SAMPLES_FIRST), values: new Float32Array(SAMPLES_FIRST * WIDTH), count: 0 };
    this.#rings.delete(actorId);
    this.#rings.set(actorId, ring);
    if (this.#rings.size > ACTORS_MAX) this.#rings.delete(this.#rings.keys().next().value!);
    if (ring.count === ring.times.length && ring.count < SAMPLES_MAX) grow(ring);
    const at = ring.count++ % ring.times.length;
    ring.times[at] = nowMs;
    ring.values.set([callsPerSecond, meanCallMs ?? NaN, mailboxDepth, callsRunning], at * WIDTH);
  }

  forget(actorId: string): void {
    this.#rings.delete(actorId);
  }

  of(actorId: string): ActorSamplesDto {
    const ring = this.#rings.get(actorId);
    const size = ring === undefined ? 0 : Math.min(ring.count, ring.times.length);
    const order = Array.from({ length: size }, (_, i) => (ring!.count - size + i) % ring!.times.length);
    const column = (index: number): number[] => order.map((at) => ring!.values[at * WIDTH + index]!);
    return {
      atMs: order.map((at) => ring!.times[at]!),
      callsPerSecond: column(0).map((value) => rounded(value)),
      meanCallMs: column(1).map((value) => Number.isNaN(value) ? null : rounded(value)),
      mailboxDepth: column(2),
      callsRunning: column(3),
    };
  }
}

function grow(ring: Ring): void {
  const size = Math.min(SAMPLES_MAX, ring.times.length * 4);
  const { times, values } = ring;
  ring.times = new Float64Array(size);
  ring.times.set(times);
  ring.values = new Float32Array(size * WIDTH);
  ring.values.set(values);
}

/** Three digits are enough for a plot, and short on the wire. */
function rounded(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3));
}
