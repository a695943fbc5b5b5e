/**
 * The arguments of one call: values as bytes, taken when the call is made, and refs whose values it must wait for. When all
 * are known they become one block: small values inline, stored ones as refs that the worker's node pulls and pins.
 * @module
 */
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { ArgumentRef } from "../../common/task_spec.ts";
import { ValueKind, writeRef } from "../../protocol/push.ts";
import { ByteReader, ByteWriter } from "../../protocol/serialization/mod.ts";
import { abandon, type Held } from "./actor_uses.ts";
import type { CoreContext } from "./core_context.ts";
import type { Entry, EntryWaiter } from "./entry.ts";
import { ObjectRef } from "./object_ref.ts";
import { PlainArguments } from "./plain_arguments.ts";
import type { RefTarget } from "../../protocol/messages.ts";
import type { ObjectTarget } from "./store_access.ts";
import type { RefSink } from "./value_codec.ts";

const NOTHING: readonly never[] = Object.freeze([]);

/** Inline arguments of one call, together. Larger single values are stored by themselves; these are many small ones. */
const INLINE_SUM_BYTES_MAX = 8 * 1024 * 1024;

/** Shared scratch: a call's arguments are encoded in one go. */
const scratch = new ByteWriter();

/** An empty sink for the next call: most calls have no refs, and make no garbage then. */
let spareSink: RefSink | null = null;

/** The arguments of one call, whatever they are. */
export interface CallArguments {
  /** Stored arguments, once ready. */
  readonly stored: readonly ArgumentRef[];
  /** Entries of the refs among the arguments, for the task graph. */
  readonly resolved: readonly Entry[];
  /** All that is kept alive until the call ends. */
  readonly held: readonly Held[];
  readonly isReady: boolean;
  /** Called once, when all arguments are known, or with the first one that failed. */
  whenReady(callback: (failed: Entry | null) => void): void;
  /** About how long the block is; only when ready, and the same from then on. */
  readonly bytes: number;
  /** The arguments as bytes (see push.ts); only when ready. */
  block(): Uint8Array;
  /** Writes the block, with its length before it; only when ready. */
  writeTo(writer: ByteWriter): void;
  /** What it takes to make the same block again, after release(); null for what is too large to remember. Only when ready. */
  kept(): KeptArguments | null;
  /** The call has ended: what it kept alive may go. Idempotent. */
  release(): void;
}

/** A call's arguments as its lineage keeps them: values as bytes, stored ones by name; or all of them as one block. */
export type KeptArguments = readonly (Uint8Array | RefTarget)[] | Uint8Array;

/** The arguments of a call that is made again. `entryOf`: the entry of a stored one. */
export function keptAgain(
  core: CoreContext,
  kept: KeptArguments,
  entryOf: (target: RefTarget) => Entry,
): CallArguments {
  if (kept instanceof Uint8Array) return new PlainArguments(kept);
  const parts = kept.map((part) => part instanceof Uint8Array ? part : entryOf(part));
  const entries = parts.filter((part): part is Entry => !(part instanceof Uint8Array));
  return new ArgumentList(core, parts, null, entries);
}

/** Encode `values`. Throws TypeError with the path of what cannot travel; then nothing was submitted. */
export function encodeArguments(
  core: CoreContext,
  values: readonly unknown[],
  name: string,
): CallArguments {
  if (values.length === 0) return NONE;
  const sink = spareSink ?? { refs: [], held: [] };
  spareSink = null; // An encoding may run user code (a codec's), which may call.
  try {
    if (encodeInline(core, values, name, sink)) {
      if (sink.held.length === 0) {
        if (sink.refs.length === 0) spareSink = sink;
        return PlainArguments.of(scratch);
      }
      return new ArgumentList(core, null, scratch.buffer.slice(0, scratch.position), sink.held);
    }
    abandon(sink.held);
    return new ArgumentList(core, encodeParts(core, values, name, sink), null, sink.held);
  } catch (error) {
    abandon(sink.held);
    throw error;
  }
}

const NONE = new PlainArguments(new Uint8Array([0]));

/** Arguments that are refs, or contain some: known when those are settled, and kept alive until the call ends. */
class ArgumentList implements CallArguments, EntryWaiter {
  stored: readonly ArgumentRef[] = NOTHING;
  resolved: readonly Entry[] = NOTHING;
  readonly #core: CoreContext;
  /** Encoded values and entries in order; null once the block is made. */
  #parts: (Uint8Array | Entry)[] | null;
  #block: Uint8Array | null;
  /** Everything kept alive until the call ends. */
  #held: readonly Held[];
  #bytes: number | null = null;
  #waiting = 0;
  #failed: Entry | null = null;
  #whenReady: ((failed: Entry | null) => void) | null = null;
  /** Questions to the agent that are open; most calls have none. */
  #requests: Set<string> | null = null;

  constructor(
    core: CoreContext,
    parts: (Uint8Array | Entry)[] | null,
    block: Uint8Array | null,
    held: readonly Held[],
  ) {
    this.#core = core;
    this.#parts = parts;
    this.#block = block;
    this.#held = held;
    for (const entry of held) entry.count++;
    if (parts !== null) this.#await(parts);
  }

  get held(): readonly Held[] {
    return this.#held;
  }

  get isReady(): boolean {
    return this.#waiting === 0 && this.#failed === null;
  }

  whenReady(callback: (failed: Entry | null) => void): void {
    if (this.#failed !== null) callback(this.#failed);
    else if (this.#waiting === 0) {
      this.#collectStored(); // They may have become known before anybody asked.
      callback(null);
    } else this.#whenReady = callback;
  }

  /** Not the block's own length: it is asked for before the block is made, and must not change then. */
  get bytes(): number {
    return this.#bytes ??= this.#parts === null ? this.#block!.length : inlineBytes(this.#parts);
  }

  writeTo(writer: ByteWriter): void {
    const block = this.block();
    writer.varint(block.length);
    writer.raw(block);
  }

  block(): Uint8Array {
    return this.#block ??= this.#build(this.#parts!);
  }

  kept(): KeptArguments | null {
    if (this.#parts === null) return this.block();
    let inline = 0;
    const kept = this.#parts.map((part) => {
      if (!(part instanceof Uint8Array) && !isHere(part)) return { id: part.id, home: part.home };
      const bytes = part instanceof Uint8Array ? part : this.#bytesOf(part);
      inline += bytes.length;
      return bytes;
    });
    return inline > INLINE_SUM_BYTES_MAX ? null : kept;
  }

  #bytesOf(entry: Entry): Uint8Array {
    if (entry.state === "bytes") return entry.payload as Uint8Array;
    const writer = new ByteWriter();
    this.#core.codec.append(writer, entry.payload, "argument", { refs: [], held: [] });
    return writer.buffer.slice(0, writer.position);
  }

  release(): void {
    const held = this.#held;
    this.#held = NOTHING;
    this.#parts = null;
    this.#block = null;
    this.resolved = NOTHING;
    if (this.#requests !== null) this.#core.objects.cancelRequests(this.#requests);
    for (const entry of held) this.#core.objects.drop(entry);
  }

  #await(parts: readonly (Uint8Array | Entry)[]): void {
    const entries = parts.filter((part): part is Entry => !(part instanceof Uint8Array));
    this.resolved = entries;
    for (const entry of entries) {
      if (entry.isPending) {
        this.#waiting++;
        entry.onSettled(this);
      } else if (entry.state === "remote") {
        this.#waiting++;
        this.#core.objects.waitRemote(entry, false, this.#requests ??= new Set()).then(
          () => this.entrySettled(entry),
          // Lost: the worker's get will say why.
          () => this.entrySettled(entry),
        );
      } else if (entry.state === "error") this.#failed ??= entry;
    }
    if (this.#waiting === 0 && this.#failed === null) this.#collectStored();
  }

  entrySettled(entry: Entry): void {
    this.#waiting--;
    if (entry.state === "error") this.#failed ??= entry;
    const callback = this.#whenReady;
    if (callback === null || (this.#waiting > 0 && this.#failed === null)) return;
    this.#whenReady = null;
    if (this.#failed === null) this.#collectStored();
    callback(this.#failed);
  }

  #collectStored(): void {
    this.stored = this.resolved
      .filter((entry) => entry.state === "stored" || entry.state === "remote")
      .map(({ id, home, bytes, location }) => ({ id, home, bytes, at: location ?? undefined }));
  }

  #build(parts: readonly (Uint8Array | Entry)[]): Uint8Array {
    const writer = new ByteWriter();
    const sink: RefSink = { refs: [], held: [] };
    writer.varint(parts.length);
    for (const part of parts) {
      if (part instanceof Uint8Array) {
        writer.u8(ValueKind.inline);
        writer.raw(part);
      } else if (isHere(part) && writer.position + part.bytes > INLINE_SUM_BYTES_MAX) {
        // Many small results together: the rest goes by way of the store.
        const { id, home } = this.#core.objects.lend(part);
        writer.u8(ValueKind.stored);
        writeRef(writer, id, home);
        writer.string("");
      } else if (part.state === "value") {
        writer.u8(ValueKind.inline);
        this.#core.codec.append(writer, part.payload, "argument", sink);
      } else if (part.state === "bytes") {
        writer.u8(ValueKind.inline);
        writer.raw(part.payload as Uint8Array);
        // What the value contains travels with it: its refs must be where others find them.
        for (const inner of part.contained ?? []) this.#core.objects.lendHeld(inner);
      } else {
        writer.u8(ValueKind.stored);
        writeRef(writer, part.id, part.home);
        writer.string(part.location ?? "");
      }
    }
    return writer.buffer.slice(0, writer.position);
  }
}

/** All in one go, into the scratch, as most calls can be; false when one is a ref or too large. */
function encodeInline(
  core: CoreContext,
  values: readonly unknown[],
  name: string,
  sink: RefSink,
): boolean {
  const writer = scratch;
  writer.reset();
  writer.varint(values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value instanceof ObjectRef) return false;
    writer.u8(ValueKind.inline);
    const large = core.codec.append(writer, value, pathOf(index), sink);
    if (large !== null) {
      abandon(large.held);
      return false;
    }
    checkSize(writer.position, name);
  }
  return true;
}

function encodeParts(
  core: CoreContext,
  values: readonly unknown[],
  name: string,
  sink: RefSink,
): (Uint8Array | Entry)[] {
  const parts: (Uint8Array | Entry)[] = [];
  let inlineBytes = 0;
  for (const [index, value] of values.entries()) {
    if (value instanceof ObjectRef) {
      const entry = core.objects.entryOf(value, `${name}: ${pathOf(index)}`);
      parts.push(entry);
      sink.held.push(entry);
      continue;
    }
    scratch.reset();
    const large = core.codec.append(scratch, value, pathOf(index), sink);
    inlineBytes += scratch.position;
    checkSize(inlineBytes, name);
    if (large === null) parts.push(scratch.buffer.slice(0, scratch.position));
    else {
      const entry = core.puts.putArgument(large);
      parts.push(entry);
      sink.held.push(entry);
    }
  }
  return parts;
}

/** One argument as the worker reads it: a value, or a ref that it must fetch. */
export type ReceivedArgument = { readonly value: unknown } | ObjectTarget;

/** Read an arguments' block. Throws MissingCodecError before anything ran, so it can be tried again. */
export function readArguments(core: CoreContext, block: Uint8Array): ReceivedArgument[] {
  const reader = new ByteReader(block);
  const count = reader.varint();
  const received: ReceivedArgument[] = [];
  for (let index = 0; index < count; index++) {
    if (reader.u8() === ValueKind.inline) received.push({ value: core.codec.read(reader, null) });
    else {
      const id = reader.string() as ObjectId;
      const home = reader.string() as NodeId;
      const at = reader.string() as NodeId;
      received.push({ id, home, at: at === "" ? undefined : at });
    }
  }
  return received;
}

function inlineBytes(parts: readonly (Uint8Array | Entry)[]): number {
  let bytes = 0;
  for (const part of parts) {
    if (part instanceof Uint8Array) bytes += part.length;
    else if (isHere(part)) bytes += part.bytes;
  }
  return Math.min(bytes, INLINE_SUM_BYTES_MAX);
}

function isHere(entry: Entry): boolean {
  return entry.state === "value" || entry.state === "bytes";
}

function checkSize(bytes: number, name: string): void {
  if (bytes <= INLINE_SUM_BYTES_MAX) return;
  const limit = `${INLINE_SUM_BYTES_MAX / 1024 / 1024} MiB`;
  throw new RangeError(
    `${name}: the arguments of one call are more than ${limit} of small values; put() them together first`,
  );
}

const PATHS = Array.from({ length: 16 }, (_, index) => `args[${index}]`);
function pathOf(index: number): string {
  return PATHS[index] ?? `args[${index}]`;
}
