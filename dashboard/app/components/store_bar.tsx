/**
 * A node's object store as a bar: what must not be lost, what may give way, what is on its way, and what is free.
 * @module
 */
import type { StorePartsDto } from "../../api/entities.ts";
import { bytes } from "../models/format.ts";

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

export function StoreBar({ store }: { store: StorePartsDto }) {
  const parts = partsOf(store);
  const whole = Math.max(store.capacityBytes, Object.values(parts).reduce((sum, part) => sum + part, 0), 1);
  const said = STORE_PARTS.map(({ kind, title }) => `${title} ${bytes(parts[kind])}`).join(", ");
  const label = `${said}, of ${bytes(store.capacityBytes)}; on disk ${bytes(store.spilledBytes)}`;
  return (
    <span class="store-bar" role="img" aria-label={label} title={label}>
      {STORE_PARTS.map(({ kind }) =>
        parts[kind] > 0 && (
          <span
            key={kind}
            class={`part ${kind}`}
            data-bytes={parts[kind]}
            style={{ width: `${parts[kind] / whole * 100}%` }}
          />
        )
      )}
    </span>
  );
}

export function StoreLegend() {
  return (
    <span class="store-legend">
      {STORE_PARTS.map(({ kind, title, help }) => (
        <span key={kind} title={help}>
          <span class={`key part ${kind}`} aria-hidden="true" />
          {title}
        </span>
      ))}
    </span>
  );
}

/** Bytes by part. What the node counts as used beyond its objects is held by writers and readers. */
export function partsOf(store: StorePartsDto): Record<typeof STORE_PARTS[number]["kind"], number> {
  const { primaryBytes: primary, cachedBytes: cached, inFlightBytes } = store;
  // Room for what is on its way is taken already.
  const others = Math.max(0, store.usedBytes - primary - cached);
  const coming = Math.min(others, inFlightBytes);
  return { primary, cached, held: others - coming, coming: inFlightBytes };
}
