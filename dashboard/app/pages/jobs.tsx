/**
 * All jobs that are known.
 * @module
 */
import { Jobs } from "../components/jobs.tsx";

export function JobsPage() {
  return <Jobs />;
}
