/**
 * The task graph.
 * @module
 */
import { GraphPanel } from "../components/graph.tsx";

export function GraphPage() {
  return <GraphPanel />;
}
