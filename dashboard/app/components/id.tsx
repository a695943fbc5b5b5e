/**
 * An id as a link to whatever it names, short but whole on hover and copied whole.
 * @module
 */
import { shortId } from "../models/format.ts";
import { linkOf } from "../models/links.ts";

export interface IdProps {
  /** Null shows a dash. */
  readonly id: string | null | undefined;
  /** In place of the id. */
  readonly text?: string;
  /** The id in full. */
  readonly whole?: boolean;
}

export function Id({ id, text, whole }: IdProps) {
  if (id === null || id === undefined || id === "") return <span class="zero">–</span>;
  const href = linkOf(id);
  const shown = text ?? (whole ? id : shortId(id));
  const type = text === undefined ? "mono id" : "id";
  if (href === null) return <span class={type} title={id}>{shown}</span>;
  return <a class={type} href={href} title={id}>{shown}</a>;
}
