/**
 * All nodes: whether each is heard, what it has, uses and holds, what waits for resources, and what happened.
 * @module
 */
import type { NodesDto } from "../../api/entities.ts";
import { Answer } from "../components/states.tsx";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { Demand } from "./nodes/demand.tsx";
import { NodeEvents } from "./nodes/node_events.tsx";
import { NodeTable } from "./nodes/node_table.tsx";

export function NodesPage() {
  useTopics("nodes");
  const answer = useQuery<NodesDto>(question("nodes/overview"));
  return (
    <Answer of={answer}>
      {(about) => (
        <>
          <NodeTable about={about} />
          <Demand />
          <NodeEvents events={about.events} />
        </>
      )}
    </Answer>
  );
}
