/**
 * A node's object store as a bar: what must not be lost, what may give way, what is on its way, and what is free.
 * @module
 */
import type { StorePartsDto } from "../../api/entities.ts";
import { bytes } from "../models/format.ts";
import { partsOf, STORE_PARTS } from "../models/store_parts.ts";

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
