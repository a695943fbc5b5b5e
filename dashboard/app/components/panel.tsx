/**
 * Frames that the panels share: a titled section, an empty state, a table that scrolls on its own, a bar of parts.
 * @module
 */
import type { ComponentChildren } from "preact";
import type { Rows } from "../models/cluster.ts";
import { count } from "../models/format.ts";
import { isEmbedded, route } from "../models/route.ts";

export interface PanelProps {
  readonly id: string;
  readonly title: string;
  /** Beside the title: counts, a legend. */
  readonly note?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Panel({ id, title, note, actions, children }: PanelProps) {
  if (isLeftOut(id)) return null;
  return (
    <section id={id} aria-labelledby={`${id}-title`} class="panel">
      <div class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {note !== undefined && <span class="note">{note}</span>}
        {actions !== undefined && <span class="actions">{actions}</span>}
      </div>
      {children}
    </section>
  );
}

/** In a frame (`embed=1&panel=<id>`) one panel stands alone. */
function isLeftOut(id: string): boolean {
  const only = route.value.params.get("panel");
  return only !== null && only !== id && isEmbedded();
}

/** How many there are; says so when not all are shown. */
export function Showing({ table, one, many }: { table: Rows<unknown> | null; one: string; many: string }) {
  if (table === null || table.total === 0) return null;
  if (table.total > table.rows.length) {
    return <>showing {count(table.rows.length)} of {count(table.total)} {many}</>;
  }
  return <>{count(table.total)} {table.total === 1 ? one : many}</>;
}

/** A table that may be wider than the page: it scrolls, the page does not. Reachable by keyboard. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return <div class="scroll" tabIndex={0} role="region" aria-label={label}>{children}</div>;
}

export interface Part {
  readonly size: number;
  readonly kind: string;
  readonly label: string;
}

/** Parts of a whole, side by side. `whole` defaults to the parts' sum. */
export function PartsBar({ parts, whole, label }: { parts: readonly Part[]; whole?: number; label: string }) {
  const sum = whole ?? parts.reduce((total, part) => total + part.size, 0);
  return (
    <span class="bar" role="img" aria-label={label} title={label}>
      {sum > 0 && parts.map((part) =>
        part.size > 0 && (
          <span
            key={part.kind}
            class={`part ${part.kind}`}
            style={{ width: `${Math.min(100, part.size / sum * 100)}%` }}
          />
        )
      )}
    </span>
  );
}

/** A number that is quiet when it is zero. */
export function Num({ value, kind }: { value: number; kind?: string }) {
  return <td class={`num ${value === 0 ? "zero" : kind ?? ""}`}>{count(value)}</td>;
}
