/**
 * The columns of the attempts: one typed array each, that grow together up to a bound. An attempt is a number, its slot.
 *
 * Times: `submitted` is whole; the others count from the one before (submitted -> pushed, submitted -> start, start -> end), which
 * single precision gives to a ten-millionth of the distance. NaN: it has not happened.
 * @module
 */

/** No slot, no cell. */
export const NONE = 0xffff_ffff;

const SLOTS_FIRST = 4_096;

/** The columns, by slot. */
export interface AttemptArrays {
  readonly owner: Uint32Array;
  readonly sequence: Uint32Array;
  readonly attempt: Uint16Array;
  /** State (3 bits), type (2 bits). */
  readonly flags: Uint8Array;
  /** Function and label wishes. */
  readonly kind: Uint32Array;
  readonly job: Uint16Array;
  readonly parentOwner: Uint32Array;
  readonly parentSequence: Uint32Array;
  readonly actor: Uint32Array;
  readonly node: Uint16Array;
  readonly worker: Uint16Array;
  /** Who reported it. */
  readonly reporter: Uint16Array;
  /** Which of its worker's calls side by side. */
  readonly lane: Uint8Array;
  readonly submitted: Float64Array;
  readonly pushed: Float32Array;
  readonly start: Float32Array;
  readonly run: Float32Array;
  /** How long after its end its row came: sixteenths of a millisecond. */
  readonly reported: Uint16Array;
  /** Bytes, or above 2^31 KiB. While it is open: the open attempt before it. */
  readonly result: Uint32Array;
  readonly error: Uint32Array;
  /** Of arrival. */
  readonly order: Uint32Array;
  /** The attempt after it in the queue of its state. */
  readonly next: Uint32Array;
  /** First cell of its arguments. */
  readonly args: Uint32Array;
}

const TYPES: { readonly [N in keyof AttemptArrays]: new (length: number) => AttemptArrays[N] } = {
  owner: Uint32Array,
  sequence: Uint32Array,
  attempt: Uint16Array,
  flags: Uint8Array,
  kind: Uint32Array,
  job: Uint16Array,
  parentOwner: Uint32Array,
  parentSequence: Uint32Array,
  actor: Uint32Array,
  node: Uint16Array,
  worker: Uint16Array,
  reporter: Uint16Array,
  lane: Uint8Array,
  submitted: Float64Array,
  pushed: Float32Array,
  start: Float32Array,
  run: Float32Array,
  reported: Uint16Array,
  result: Uint32Array,
  error: Uint32Array,
  order: Uint32Array,
  next: Uint32Array,
  args: Uint32Array,
};

/** See the module's header. */
export class AttemptColumns {
  readonly slotsMax: number;
  capacity = 0;
  a: AttemptArrays;

  constructor(slotsMax: number) {
    this.slotsMax = slotsMax;
    this.a = {} as AttemptArrays;
    this.#resize(Math.min(SLOTS_FIRST, slotsMax));
  }

  /** Bytes of all arrays. */
  get bytes(): number {
    let bytes = 0;
    for (const array of Object.values(this.a)) bytes += array.byteLength;
    return bytes;
  }

  /** Room for more slots; false when the bound is reached. */
  grow(): boolean {
    if (this.capacity >= this.slotsMax) return false;
    this.#resize(Math.min(this.capacity * 2, this.slotsMax));
    return true;
  }

  #resize(capacity: number): void {
    const arrays: Record<string, ArrayLike<number>> = {};
    for (const [name, Type] of Object.entries(TYPES)) {
      const array = new Type(capacity);
      const old = this.a[name as keyof AttemptArrays];
      if (old !== undefined) array.set(old as never);
      arrays[name] = array;
    }
    this.a = arrays as unknown as AttemptArrays;
    this.capacity = capacity;
  }
}
