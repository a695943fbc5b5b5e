/**
 * What a connection needs of its byte pipe: a part of `node:stream`'s Duplex, so that sockets and HTTP/2 streams are pipes as
 * they are, and little enough for a browser's sockets to be made one.
 * @module
 */

/** Bytes in order, both ways. Events as in a Duplex: `end` when the peer has ended, `close` once and last. */
export interface BytePipe {
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "drain", listener: () => void): unknown;
  on(event: "error", listener: (error: unknown) => void): unknown;
  /** `written` is called when the bytes have left; until then they count as queued. */
  write(chunk: Uint8Array, written?: () => void): boolean;
  /** Writes between the two leave together. */
  cork(): void;
  uncork(): void;
  end(): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
  readonly destroyed: boolean;
}
