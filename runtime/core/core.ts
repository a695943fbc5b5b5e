/**
 * The shape of every decision of the cluster: a machine that takes an event at a time and answers what must be done.
 * No clock, randomness, I/O or `async` inside; ids and random numbers come in with events.
 *
 * `nowMs` is milliseconds since the epoch from a clock that never steps back (time origin plus monotonic time), so that
 * it serves for deadlines and for rows that people read.
 * @module
 */

/** One state machine. Illegal transitions throw (our bug); late, duplicate and reordered events are normal input. */
export interface Core<Event, Effect> {
  /** Applies one event; returns what must be done, in order. What is persisted comes before what is told. */
  step(nowMs: number, event: Event): readonly Effect[];
  /** Throws if a documented invariant is broken. Tests call it after every step. */
  check(): void;
}
