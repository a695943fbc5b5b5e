/**
 * How a driver or worker reaches its node's object store: through shared memory where it can, through messages where it
 * cannot (a driver elsewhere). Space is granted and objects are found by the agent.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { ObjectPlace, RefTarget } from "../../protocol/messages.ts";
import { decodeObject, encodeObject, layoutSize, type ObjectParts } from "../../protocol/object_layout.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { AgentLink } from "./agent_link.ts";
import type { PoolAccess } from "./core_host.ts";
import type { Entry } from "./entry.ts";
import { areFinalizersDeferred } from "./finalizers.ts";

/** Bytes of a stored object, taken apart. */
export interface StoredBytes {
  readonly isError: boolean;
  /** As stored, header included. */
  readonly size: number;
  readonly body: Uint8Array;
  readonly buffers: readonly ArrayBuffer[];
  /** The agent holds what is inside for this process, until dropContents. */
  readonly kept: boolean;
}

/** An object to be fetched. */
export interface ObjectTarget {
  readonly id: ObjectId;
  readonly home: NodeId;
  /** The node that made it, when it is known: should that be dead, nobody waits for its report. */
  readonly at?: NodeId | undefined;
}

export function targetOf(entry: Entry): ObjectTarget {
  const { id, home, location } = entry;
  return location === null ? { id, home } : { id, home, at: location };
}

/** Who counts a stored object, and what it holds. */
export interface SealInfo {
  readonly home: NodeId;
  readonly owner: ProcessId;
  readonly isError: boolean;
  readonly contains: readonly RefTarget[];
  /** What made it, for the task graph. */
  readonly producer: string;
}

/** Bytes of a remote read or write that travel in one message. */
const REMOTE_CHUNK_BYTES = 4 * 1024 * 1024;

/** See the module's header. */
export class StoreAccess {
  readonly #link: AgentLink;
  /** Null: this process cannot reach the node's memory. */
  readonly #pool: PoolAccess | null;
  #unpins = new Map<ObjectId, number>();

  constructor(link: AgentLink, pool: PoolAccess | null) {
    this.#link = link;
    this.#pool = pool;
  }

  /** Store a value; resolves with its size when the agent knows that it is complete. */
  async write(id: ObjectId, parts: ObjectParts, info: SealInfo): Promise<number> {
    const size = layoutSize(parts);
    const { result: place } = await this.#link.request("createObject", { id, size });
    try {
      if (this.#pool === null) await this.#sendBytes(id, encodeObject(parts));
      else this.#pool.write(place, parts);
    } catch (error) {
      this.#link.notify("abortObject", { id });
      throw error;
    }
    await this.#link.request("sealObject", { id, ...info, contains: [...info.contains] });
    return size;
  }

  /** Store a small value with one message. */
  async writeSmall(id: ObjectId, body: Uint8Array, info: SealInfo): Promise<void> {
    const bytes = encodeObject({ body, buffers: [] });
    await this.#link.request("putInline", { id, ...info, contains: [...info.contains] }, [bytes]);
  }

  /** Bring an object here and take it apart. Large buffers are views of shared memory where the runtime can map it. */
  async read(
    requestId: string,
    { id, home, at }: ObjectTarget,
    purpose: "get" | "argument",
  ): Promise<StoredBytes> {
    const keep = purpose === "get" && !areFinalizersDeferred();
    const asked = { requestId, id, home, at, purpose, ...(keep && { keep }) };
    const { result, sections } = await this.#link.request("getObject", asked);
    const { place, isError, kept = false } = result;
    if (kept) this.#link.contentsKept();
    try {
      if (place.type === "inline") {
        // The section is a view of a received chunk, and what is decoded from it may stay.
        const bytes = sections[0]!.slice();
        return { isError, kept, size: bytes.length, ...decodeObject(bytes) };
      }
      const { size } = place;
      const parts = place.type === "remote" ? await this.#receive(id, size) : this.#readShared(id, place);
      return { isError, kept, size, ...parts };
    } catch (error) {
      if (kept) this.#link.reference({ op: "dropContents", id, home });
      throw error;
    }
  }

  #readShared(
    id: ObjectId,
    place: ObjectPlace & { type: "shm" },
  ): { body: Uint8Array; buffers: ArrayBuffer[] } {
    if (this.#pool === null) throw new ProtocolError(`${id} is in memory that cannot be reached from here`);
    return this.#pool.read(place, () => this.#unpin(id));
  }

  async #receive(id: ObjectId, size: number): Promise<{ body: Uint8Array; buffers: ArrayBuffer[] }> {
    const bytes = new Uint8Array(size);
    try {
      for (let offset = 0; offset < size; offset += REMOTE_CHUNK_BYTES) {
        const length = Math.min(REMOTE_CHUNK_BYTES, size - offset);
        const { sections } = await this.#link.request("readObject", { id, offset, length });
        bytes.set(sections[0]!, offset);
      }
    } finally {
      this.#unpin(id);
    }
    return decodeObject(bytes);
  }

  async #sendBytes(id: ObjectId, bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += REMOTE_CHUNK_BYTES) {
      await this.#link.request("writeObject", { id, offset }, [
        bytes.subarray(offset, offset + REMOTE_CHUNK_BYTES),
      ]);
    }
  }

  /** Finalizers come in crowds: one message each per tick and object. */
  #unpin(id: ObjectId): void {
    if (this.#unpins.size === 0) queueMicrotask(() => this.#sendUnpins());
    this.#unpins.set(id, (this.#unpins.get(id) ?? 0) + 1);
  }

  #sendUnpins(): void {
    const unpins = this.#unpins;
    this.#unpins = new Map();
    for (const [id, count] of unpins) this.#link.notify("unpin", { id, count });
  }

  close(): void {
    this.#pool?.close();
  }
}
