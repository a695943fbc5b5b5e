/**
 * What each node's object store consists of, as far as objects were reported: primary copies, further copies, what is on disk
 * alone, what is on its way. Updated with each report in O(1).
 * @module
 */

/** Where one copy counts. */
export type PartKind = "primary" | "cached" | "spilled" | "inFlight";

/** Bytes by kind; objects of all complete kinds, and those on their way. */
export interface StoreSums {
  readonly bytes: Record<PartKind, number>;
  objects: number;
  inFlight: number;
}

/** See the module's header. */
export class StoreParts {
  /** All and only nodes with something. */
  readonly #nodes = new Map<string, StoreSums>();

  of(nodeId: string): Readonly<StoreSums> {
    return this.#nodes.get(nodeId) ?? NOTHING;
  }

  count(nodeId: string, kind: PartKind, bytes: number, sign: 1 | -1): void {
    let sums = this.#nodes.get(nodeId);
    if (sums === undefined) this.#nodes.set(nodeId, sums = emptySums());
    sums.bytes[kind] += sign * bytes;
    if (kind === "inFlight") sums.inFlight += sign;
    else sums.objects += sign;
    if (sums.objects === 0 && sums.inFlight === 0) this.#nodes.delete(nodeId);
  }
}

function emptySums(): StoreSums {
  return { bytes: { primary: 0, cached: 0, spilled: 0, inFlight: 0 }, objects: 0, inFlight: 0 };
}

const NOTHING: StoreSums = emptySums();
