/**
 * Where processes read and write the bytes of stored objects. Carried by the messages between a process and its agent.
 * @module
 */

/** Where a process finds a stored object's bytes (layout: object_layout.ts). The object is pinned for the process that
 *  was told, until it sends `unpin`. "inline": the bytes are section 0. "remote": read with readObject. */
export type ObjectPlace =
  | { readonly type: "shm"; readonly path: string; readonly offset: number; readonly size: number }
  | { readonly type: "inline" }
  | { readonly type: "remote"; readonly size: number };

/** Where a process may write an object that it creates. */
export interface GrantedRange {
  readonly path: string;
  readonly offset: number;
  /** The range's pages were dropped since it was last used: no mapping of it may be relied on. */
  readonly isCold?: boolean;
}
