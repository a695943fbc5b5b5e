/**
 * All nodes.
 * @module
 */
import { Nodes } from "../components/nodes.tsx";

export function NodesPage() {
  return <Nodes />;
}
