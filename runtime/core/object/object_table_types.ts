/**
 * Events, effects and shapes of the object table (object_table.ts).
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { ObjectReport } from "../../protocol/messages.ts";

/** Who creates or pins: a process, or the store itself for a lease, a stream or a pull. */
export type Holder = string;

/** What is known of an object when it is sealed. */
export interface Seal {
  readonly home: NodeId;
  readonly owner: ProcessId;
  readonly isError: boolean;
  readonly producer: string | undefined;
  /** Never evicted: it was made here. Copies that were pulled are not. */
  readonly primary: boolean;
}

export type TableEvent =
  | {
    readonly type: "create";
    readonly requestId: string;
    readonly holder: Holder;
    readonly id: ObjectId;
    readonly size: number;
    readonly inline: boolean;
  }
  /** The creator no longer waits. Unknown requests are ignored: the grant crossed the message. */
  | { readonly type: "cancelCreate"; readonly requestId: string }
  | { readonly type: "seal"; readonly holder: Holder; readonly id: ObjectId; readonly seal: Seal }
  | { readonly type: "abort"; readonly holder: Holder; readonly id: ObjectId }
  /** Of a sealed object: the caller has looked. */
  | { readonly type: "pin"; readonly holder: Holder; readonly id: ObjectId }
  | { readonly type: "unpin"; readonly holder: Holder; readonly id: ObjectId; readonly count: number }
  | { readonly type: "holderDied"; readonly holder: Holder }
  | { readonly type: "delete"; readonly ids: readonly ObjectId[] }
  /** The copy here is the one to keep from now on: the node that held the primary one is dead. */
  | { readonly type: "promote"; readonly id: ObjectId }
  /** The pool's file may not grow beyond this. */
  | { readonly type: "limit"; readonly bytes: number }
  | { readonly type: "timer" };

export type TableEffect =
  /** `offset` is null for an inline object. */
  | {
    readonly type: "granted";
    readonly requestId: string;
    readonly id: ObjectId;
    readonly offset: number | null;
  }
  | { readonly type: "createFailed"; readonly requestId: string; readonly message: string }
  /** The object can be read. `first` is false for a resent seal, or one that came second and was dropped. */
  | { readonly type: "sealed"; readonly id: ObjectId; readonly first: boolean; readonly report: ObjectReport }
  | { readonly type: "sealRefused"; readonly id: ObjectId; readonly message: string }
  /** The object is not here any more. */
  | { readonly type: "removed"; readonly id: ObjectId; readonly evicted: boolean }
  | { readonly type: "collectGarbage" }
  | { readonly type: "setTimer"; readonly atMs: number };

/** A sealed object, as others see it. */
export interface StoredEntry {
  readonly id: ObjectId;
  /** In the pool; null: inline. */
  readonly offset: number | null;
  readonly size: number;
  readonly report: ObjectReport;
}
