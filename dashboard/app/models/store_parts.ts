/**
 * What a node's object store is filled with.
 * @module
 */
import type { StorePartsDto } from "../../api/entities.ts";

/** The parts of a store in the order of the bar. */
export const STORE_PARTS = [
  { kind: "primary", title: "primary", help: "Copies that must not be lost" },
  { kind: "cached", title: "cached", help: "Further copies, which give way when room is needed" },
  {
    kind: "held",
    title: "held",
    help: "Being written, or of objects that are read although they were let go",
  },
  { kind: "coming", title: "in flight", help: "On their way to the node: not in memory yet" },
] as const;

/** Bytes by part. What the node counts as used beyond its objects is held by writers and readers. */
export function partsOf(store: StorePartsDto): Record<typeof STORE_PARTS[number]["kind"], number> {
  const { primaryBytes: primary, cachedBytes: cached, inFlightBytes } = store;
  // Room for what is on its way is taken already.
  const others = Math.max(0, store.usedBytes - primary - cached);
  const coming = Math.min(others, inFlightBytes);
  return { primary, cached, held: others - coming, coming: inFlightBytes };
}
