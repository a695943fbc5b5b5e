/**
 * What can go wrong between two processes, as typed errors. They are causes: the layers above turn them into the errors
 * that users know (WorkerCrashedError, NodeDiedError, GetTimeoutError and so on). The peer's breaches of the protocol are
 * ProtocolError (protocol/protocol_error.ts), a refused token is AuthenticationError (common/errors.ts).
 * @module
 */

/** The connection is gone; what was in flight may or may not have been done. */
export class ConnectionClosedError extends Error {
  readonly code: string = "ConnectionClosedError";
  override readonly name: string = "ConnectionClosedError";
}

/** No connection could be made. The message names the address. */
export class ConnectError extends Error {
  readonly code: string = "ConnectError";
  override readonly name: string = "ConnectError";
}

/** The peer did not answer in time; it may still do what it was asked. */
export class RequestTimeoutError extends Error {
  readonly code: string = "RequestTimeoutError";
  override readonly name: string = "RequestTimeoutError";
}

/** A limit of this process was reached (open requests, bytes queued for a peer that does not read). */
export class OverloadError extends Error {
  readonly code: string = "OverloadError";
  override readonly name: string = "OverloadError";
}

/** A bulk transfer ended early or damaged; `offset` bytes are good, and a new transfer may start there. */
export class TransferError extends Error {
  readonly code: string = "TransferError";
  override readonly name: string = "TransferError";
  readonly offset: number;
  constructor(message: string, offset: number, options?: ErrorOptions) {
    super(message, options);
    this.offset = offset;
  }
}

/** Anything thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
