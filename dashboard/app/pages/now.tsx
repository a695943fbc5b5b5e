/**
 * Home: the cluster at this moment.
 * @module
 */
import { Functions } from "../components/functions.tsx";
import { Nodes } from "../components/nodes.tsx";
import { Summary } from "../components/summary.tsx";

export function NowPage() {
  return (
    <>
      <Summary />
      <Functions />
      <Nodes />
    </>
  );
}
