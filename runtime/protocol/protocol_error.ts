/**
 * What a peer did wrong: a frame that is malformed, too long or out of turn. The connection that carried it closes, all
 * others live. It is an ordinary error class (not one of the public API's): users never see it but as a cause.
 * @module
 */

/** The peer broke the protocol. `code` is stable; the message says what arrived and what is allowed. */
export class ProtocolError extends Error {
  readonly code: string = "ProtocolError";
  override readonly name: string = "ProtocolError";
}
