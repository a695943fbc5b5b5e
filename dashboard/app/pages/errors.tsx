/**
 * Errors of tasks.
 * @module
 */
import { Failures } from "../components/failures.tsx";

export function ErrorsPage() {
  return <Failures />;
}
