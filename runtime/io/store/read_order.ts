/**
 * Whether spilled objects are read one after the other as they were written, and which file comes next then. Files are
 * numbered in the order in which they are written.
 * @module
 */
import type { DiskPlace } from "../../core/object/spills.ts";

export class ReadOrder {
  /** Where the object begins that follows the one whose reading began last. */
  #next: DiskPlace | null = null;
  /** The latest object that followed another one. */
  #follower: DiskPlace | null = null;

  /** The reading of an object begins. */
  begins(place: DiskPlace, size: number): void {
    const { file, offset } = place;
    const follows = this.#next !== null &&
      (isAt(this.#next, place) || (offset === 0 && Number(file) === Number(this.#next.file) + 1));
    this.#follower = follows ? place : null;
    this.#next = { file, offset: offset + size };
  }

  /** All of the object is being read: the file that will probably be read next; null when nobody can tell. */
  nextFile(place: DiskPlace): string | null {
    return this.#follower !== null && isAt(this.#follower, place) ? String(Number(place.file) + 1) : null;
  }
}

function isAt(one: DiskPlace, other: DiskPlace): boolean {
  return one.file === other.file && one.offset === other.offset;
}
