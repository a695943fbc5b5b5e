/**
 * A node's name with its colour, as a link.
 * @module
 */
import { nodeColourIndex } from "../models/node_colours.ts";
import { Id } from "./id.tsx";

export function NodeName({ id }: { id: string | null }) {
  if (id === null || id === "") return <span class="zero">–</span>;
  return (
    <span class="node-name">
      <span class={`key node-${nodeColourIndex.value.get(id) ?? 0}`} aria-hidden="true" />
      <Id id={id} />
    </span>
  );
}
