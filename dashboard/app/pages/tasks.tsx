/**
 * Tasks, by function.
 * @module
 */
import { Functions } from "../components/functions.tsx";

export function TasksPage() {
  return <Functions />;
}
