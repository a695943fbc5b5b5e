/**
 * What a node's store sends to others: objects that are here, what has come of those on their way here, and to whom rather
 * not (fan_out.ts).
 * @module
 */
import type { ObjectId, ProcessId } from "../../common/ids.ts";
import { FanOut, RELAYED_BYTES_MIN } from "../../core/object/fan_out.ts";
import type { ObjectAsk, Referral } from "../transport/object_stream.ts";
import type { IncomingObject } from "./incoming_object.ts";
import type { ObjectPool } from "./object_pool.ts";
import type { ObjectSpace } from "./object_space.ts";
import type { CreationBytes, ObjectSourceBytes } from "./store_host.ts";

export interface SourceParts {
  readonly space: ObjectSpace;
  readonly pool: ObjectPool;
  readonly unpin: (holder: string, id: ObjectId) => void;
  /** The object on its way here, as somebody who sends it on; null when it is not, or has no room yet. */
  readonly incoming: (id: ObjectId) => IncomingObject | null;
}

export class ObjectSources {
  readonly #parts: SourceParts;
  readonly #fanOut = new FanOut();
  #streams = 0;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  /** For a stream to another node; null when the object is neither here nor about to be. */
  async serve({ id, offset, from, mayRefer }: ObjectAsk): Promise<ObjectSourceBytes | Referral | null> {
    const { space, incoming } = this.#parts;
    const bytes = space.table.get(id)?.size ?? incoming(id)?.bytes;
    if (bytes === undefined) return null;
    if (from === null || bytes < RELAYED_BYTES_MIN) return this.open(id);
    const holders = this.#fanOut.ask(id, from, !mayRefer);
    if (holders !== null) return { holders };
    let source: ObjectSourceBytes | null = null;
    try {
      source = this.open(id) ?? await this.#relay(id, offset);
    } finally {
      if (source === null) this.#fanOut.ended(id, from);
    }
    if (source === null) return null;
    const { close } = source;
    return {
      ...source,
      close: () => {
        this.#fanOut.ended(id, from);
        close();
      },
    };
  }

  /** A complete object; null when it is not here. */
  open(id: ObjectId): ObjectSourceBytes | null {
    const { space, unpin } = this.#parts;
    const entry = space.table.get(id);
    if (entry === undefined) return null;
    const holder = this.#holder();
    space.step({ type: "pin", holder, id });
    return {
      size: entry.size,
      // It may come into memory, or leave it, between two parts.
      read: (offset, length) =>
        entry.resident ? space.bytesOf(entry, offset, length) : space.partOfSpilled(entry, offset, length),
      readInto: (offset, target) => {
        if (!entry.resident || entry.offset === null || offset + target.length > entry.size) return false;
        this.#parts.pool.copyTo(target, entry.offset + offset);
        return true;
      },
      readNow: (offset, length) => space.bytesOf(entry, offset, length),
      close: () => unpin(holder, id),
    };
  }

  /** What a process has written of an object that it has not sealed; null when it makes no such. */
  openCreation(process: ProcessId, id: ObjectId): CreationBytes | null {
    const creation = this.#parts.space.table.creation(process, id);
    if (creation === undefined || creation.offset === null) return null;
    const { offset: start, size } = creation;
    return {
      size,
      read: (offset, length) => this.#parts.pool.read(start + offset, Math.min(length, size - offset)),
    };
  }

  /**
   * Of an object on its way here, what comes from `offset` on. Reading rejects when it does not come any more. What was read
   * just before that may be overwritten while it is being sent: its checksum was made from the right bytes.
   */
  async #relay(id: ObjectId, offset: number): Promise<ObjectSourceBytes | null> {
    const { incoming, pool, unpin } = this.#parts;
    const coming = incoming(id);
    if (coming === null || !await coming.reaches(offset)) return null;
    if (coming.state !== "coming") return this.open(id);
    const start = coming.offset!;
    const holder = this.#holder();
    coming.readers.add(holder);
    let complete: ObjectSourceBytes | null = null;
    return {
      size: coming.bytes,
      read: async (at, length) => {
        if (coming.state === "coming" && coming.goodFrom(at) < at + length) {
          await coming.arrival(at, at + length);
        }
        if (coming.state === "sealed") return (complete ??= this.open(id) ?? gone(id)).read(at, length);
        if (coming.state === "dropped" || coming.goodFrom(at) < at + length) return gone(id);
        return pool.read(start + at, length);
      },
      readInto: (at, target) => {
        if (coming.state !== "coming" || coming.goodFrom(at) < at + target.length) return false;
        pool.copyTo(target, start + at);
        return true;
      },
      readNow: () => gone(id),
      close: () => {
        complete?.close();
        if (coming.state === "sealed") unpin(holder, id);
        coming.readers.delete(holder);
      },
    };
  }

  #holder(): string {
    return `stream:${++this.#streams}`;
  }

  check(): void {
    this.#fanOut.check();
  }
}

function gone(id: ObjectId): never {
  throw new Error(`${id} is not on its way here any more`);
}
