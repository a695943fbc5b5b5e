/**
 * Stored objects by function and node.
 * @module
 */
import { Objects } from "../components/objects.tsx";

export function ObjectsPage() {
  return <Objects />;
}
