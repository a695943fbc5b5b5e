/**
 * One actor.
 * @module
 */
import { RowPanel } from "../components/row_panel.tsx";

export function ActorPage({ id }: { id: string }) {
  return <RowPanel kind="actors" column="actorId" id={id} title="Actor" />;
}
