/**
 * Arguments that are values alone, as those of most calls are. Of a million queued calls each has its bytes: small ones share
 * arrays, because an array of its own costs ten times what is in it, and is one more object for the collector to visit. An
 * array lives as long as one of the calls in it, so arrays are short: a call that waits for long keeps little alive.
 * @module
 */
import type { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { CallArguments } from "./arguments.ts";

/** Of a shared array; longer ones are no longer cheap to make (JavaScriptCore: 1,000). */
const SHARED_BYTES = 960;
/** What has more gets an array of its own. */
const SMALL_BYTES_MAX = 96;
/** A place is the first byte's index times this, plus the number of bytes. */
const PLACE_FACTOR = 1024;
/** The place of what has an array of its own. */
const WHOLE = -1;
/** No place: the arguments are not plain. */
const NOT_PLAIN = -2;

/** What plain arguments hold of everything else. */
const NOTHING: readonly never[] = Object.freeze([]);

/** Arguments as a queued call keeps them, beside their place: plain ones as where their bytes are, others as they are. */
export type KeptArguments = CallArguments | Uint8Array;

let shared = new Uint8Array(SHARED_BYTES);
let used = 0;

/** See the module's header. Calls keep `source` and `place`, and make this when they need it. */
export class PlainArguments implements CallArguments {
  readonly source: Uint8Array;
  readonly place: number;

  constructor(source: Uint8Array, place: number = WHOLE) {
    this.source = source;
    this.place = place;
  }

  /** What has been written, copied. */
  static of({ buffer, position }: ByteWriter): PlainArguments {
    if (position > SMALL_BYTES_MAX) return new PlainArguments(buffer.slice(0, position));
    if (used + position > SHARED_BYTES) {
      shared = new Uint8Array(SHARED_BYTES);
      used = 0;
    }
    const place = used * PLACE_FACTOR + position;
    for (let index = 0; index < position; index++) shared[used++] = buffer[index]!;
    return new PlainArguments(shared, place);
  }

  get stored(): readonly never[] {
    return NOTHING;
  }
  get resolved(): readonly never[] {
    return NOTHING;
  }
  get held(): readonly never[] {
    return NOTHING;
  }
  get isReady(): boolean {
    return true;
  }
  whenReady(callback: (failed: null) => void): void {
    callback(null);
  }
  get bytes(): number {
    return plainBytes(this.source, this.place);
  }
  writeTo(writer: ByteWriter): void {
    writePlain(writer, this.source, this.place);
  }
  kept(): Uint8Array {
    return this.block();
  }
  block(): Uint8Array {
    if (this.place === WHOLE) return this.source;
    const from = Math.floor(this.place / PLACE_FACTOR);
    return this.source.slice(from, from + this.bytes);
  }
  release(): void {}
}

/** How many bytes plain arguments have. */
function plainBytes(source: Uint8Array, place: number): number {
  return place === WHOLE ? source.length : place % PLACE_FACTOR;
}

function writePlain(writer: ByteWriter, source: Uint8Array, place: number): void {
  const bytes = plainBytes(source, place);
  writer.varint(bytes);
  if (place === WHOLE) writer.raw(source);
  else writer.part(source, Math.floor(place / PLACE_FACTOR), bytes);
}

// A queued call has two fields for its arguments and no object (its class says why); what follows is done with the two.

export function keptOf(args: CallArguments): KeptArguments {
  return args instanceof PlainArguments ? args.source : args;
}
export function placeOf(args: CallArguments): number {
  return args instanceof PlainArguments ? args.place : NOT_PLAIN;
}
export function argumentsOf(kept: KeptArguments, place: number): CallArguments {
  return place === NOT_PLAIN ? kept as CallArguments : new PlainArguments(kept as Uint8Array, place);
}
/** See CallArguments.writeTo. */
export function writeKept(writer: ByteWriter, kept: KeptArguments, place: number): void {
  if (place === NOT_PLAIN) (kept as CallArguments).writeTo(writer);
  else writePlain(writer, kept as Uint8Array, place);
}
/** Entries of the refs among them. */
export function resolvedOf(kept: KeptArguments, place: number): CallArguments["resolved"] {
  return place === NOT_PLAIN ? (kept as CallArguments).resolved : NOTHING;
}
export function storedOf(kept: KeptArguments, place: number): CallArguments["stored"] {
  return place === NOT_PLAIN ? (kept as CallArguments).stored : NOTHING;
}
export function bytesOf(kept: KeptArguments, place: number): number {
  return place === NOT_PLAIN ? (kept as CallArguments).bytes : plainBytes(kept as Uint8Array, place);
}
/** Their call has ended: what they kept alive may go. */
export function releaseKept(kept: KeptArguments, place: number): void {
  if (place === NOT_PLAIN) (kept as CallArguments).release();
}
