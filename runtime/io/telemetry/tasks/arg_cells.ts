/**
 * Arguments of attempts: cells of 14 bytes in chains, so that any number fits and freed ones are used again. Without room
 * an argument is left out and counted.
 * @module
 */
import { NONE } from "./attempt_columns.ts";

const CELLS_FIRST = 1_024;

export class ArgCells {
  owner: Uint32Array = new Uint32Array(0);
  sequence: Uint32Array = new Uint32Array(0);
  index: Uint16Array = new Uint16Array(0);
  next: Uint32Array = new Uint32Array(0);
  /** Arguments that were left out. */
  dropped = 0;
  readonly #max: number;
  #free: number = NONE;
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get bytes(): number {
    return this.owner.byteLength + this.sequence.byteLength + this.index.byteLength + this.next.byteLength;
  }

  /** Put a cell in front of a chain; the chain's new head, or NONE when there is no room (the chain is as it was). */
  add(owner: number, sequence: number, index: number, next: number): number {
    let cell = this.#free;
    if (cell !== NONE) this.#free = this.next[cell]!;
    else {
      if (this.#used === this.owner.length && !this.#grow()) {
        this.dropped++;
        return NONE;
      }
      cell = this.#used++;
    }
    this.owner[cell] = owner;
    this.sequence[cell] = sequence;
    this.index[cell] = index;
    this.next[cell] = next;
    return cell;
  }

  /** The cell is free; the one after it in its chain. */
  remove(cell: number): number {
    const next = this.next[cell]!;
    this.next[cell] = this.#free;
    this.#free = cell;
    return next;
  }

  #grow(): boolean {
    const length = this.owner.length;
    if (length >= this.#max) return false;
    const more = Math.min(this.#max, Math.max(CELLS_FIRST, length * 2));
    this.owner = copyOf(this.owner, new Uint32Array(more));
    this.sequence = copyOf(this.sequence, new Uint32Array(more));
    this.index = copyOf(this.index, new Uint16Array(more));
    this.next = copyOf(this.next, new Uint32Array(more));
    return true;
  }
}

function copyOf<A extends Uint32Array | Uint16Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
