/**
 * The shape of a message between processes: what it takes and what it answers.
 * @module
 */

/** One method: what it takes and what it answers. Notifications answer nothing. */
export interface Method<P, R> {
  readonly params: P;
  readonly result: R;
}
export type Notification<P> = Method<P, void>;
