/**
 * All actors.
 * @module
 */
import { Actors } from "../components/actors.tsx";

export function ActorsPage() {
  return <Actors />;
}
