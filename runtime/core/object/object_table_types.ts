/**
 * Events, effects and shapes of the object table (object_table.ts).
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { ObjectReport } from "../../protocol/messages.ts";
import type { DiskPlace } from "./spills.ts";

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
  /** `pin`: the holder pins it in this very step, before anybody else's need can evict it. */
  | {
    readonly type: "seal";
    readonly holder: Holder;
    readonly id: ObjectId;
    readonly seal: Seal;
    readonly pin?: boolean;
  }
  | { readonly type: "abort"; readonly holder: Holder; readonly id: ObjectId }
  /** Of a sealed object: the caller has looked. */
  | { readonly type: "pin"; readonly holder: Holder; readonly id: ObjectId }
  | { readonly type: "unpin"; readonly holder: Holder; readonly id: ObjectId; readonly count: number }
  | { readonly type: "holderDied"; readonly holder: Holder }
  | { readonly type: "delete"; readonly ids: readonly ObjectId[] }
  /** The copy here is the one to keep from now on: the node that held the primary one is dead. */
  | { readonly type: "promote"; readonly id: ObjectId }
  /** A batch of a `spill` effect lies in this file, its objects one after the other in the effect's order. */
  | { readonly type: "spilled"; readonly batch: string; readonly file: string }
  | { readonly type: "spillFailed"; readonly batch: string; readonly message: string }
  /** What lies on disk of this object cannot be read: it is lost unless its bytes are in memory too. */
  | { readonly type: "spillBroken"; readonly id: ObjectId }
  /** The pool's file may not grow beyond this. */
  | { readonly type: "limit"; readonly bytes: number }
  | { readonly type: "timer" };

export type TableEffect =
  /** `offset` is null for an inline object. `isCold`: the range's pages were dropped since it was last used. */
  | {
    readonly type: "granted";
    readonly requestId: string;
    readonly id: ObjectId;
    readonly offset: number | null;
    readonly isCold?: boolean;
  }
  /** Give the pages of this range, which nobody uses, back to the kernel, before the next grant is acted on. */
  | { readonly type: "dropPages"; readonly offset: number; readonly bytes: number }
  /** `code`: ObjectStoreFullError or OutOfDiskError. */
  | {
    readonly type: "createFailed";
    readonly requestId: string;
    readonly code: "ObjectStoreFullError" | "OutOfDiskError";
    readonly message: string;
  }
  /** The object can be read. `first` is false for a resent seal, or one that came second and was dropped. */
  | { readonly type: "sealed"; readonly id: ObjectId; readonly first: boolean; readonly report: ObjectReport }
  | { readonly type: "sealRefused"; readonly id: ObjectId; readonly message: string }
  /** The object is not here any more. */
  | { readonly type: "removed"; readonly id: ObjectId; readonly evicted: boolean }
  /** The object's memory was taken: its bytes are on disk alone. */
  | { readonly type: "unloaded"; readonly id: ObjectId }
  /** A spilled object is in memory again; nobody pins it yet. */
  | { readonly type: "restored"; readonly id: ObjectId }
  /** Write these to a file, in this order; answered by spilled or spillFailed. They stay as they are until then. */
  | {
    readonly type: "spill";
    readonly batch: string;
    readonly objects: readonly {
      readonly id: ObjectId;
      readonly offset: number | null;
      readonly size: number;
    }[];
  }
  /** Nothing in the file is needed any more. */
  | { readonly type: "deleteSpill"; readonly file: string }
  | { readonly type: "collectGarbage" }
  | { readonly type: "setTimer"; readonly atMs: number };

/** A sealed object, as others see it. */
export interface StoredEntry {
  readonly id: ObjectId;
  /** In the pool; null: inline. Meaningless while it is not `resident`. */
  readonly offset: number | null;
  readonly size: number;
  /** Whether its bytes are in memory; else they are on disk. */
  readonly resident: boolean;
  /** Where its bytes are on disk, if they are. */
  readonly disk: DiskPlace | null;
  readonly report: ObjectReport;
  /** When it was complete here. */
  readonly sealedMs: number;
  /** How often each holder pins it. */
  readonly pins: ReadonlyMap<Holder, number>;
}
