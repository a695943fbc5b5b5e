/**
 * All stored objects: how full the stores are, who made what and where it is, what goes from node to node, who keeps it alive.
 * @module
 */
import type { ObjectsDto } from "../../api/entities.ts";
import { Answer } from "../components/states.tsx";
import { cluster } from "../models/cluster.ts";
import { question, useQuery } from "../models/query.ts";
import { route } from "../models/route.ts";
import { useTopics } from "../models/subscriptions.ts";
import { GroupObjects } from "./objects/group_objects.tsx";
import { Holders } from "./objects/holders.tsx";
import { Losses } from "./objects/losses.tsx";
import { Matrix } from "./objects/matrix.tsx";
import { Stores } from "./objects/stores.tsx";
import { Transfers } from "./objects/transfers.tsx";

export function ObjectsPage() {
  useTopics("nodes");
  const answer = useQuery<ObjectsDto>(question("objects/overview"));
  const group = route.value.params.get("group");
  return (
    <>
      <Answer of={answer}>
        {(about) => (
          <>
            <Stores about={about} />
            <Matrix about={about} />
            {group !== null && <GroupObjects key={group} group={group} />}
            <Transfers about={about} />
            {about.lost > 0 && <Losses about={about} />}
            <Holders total={about.objects + (cluster.value?.actorsAlive ?? 0)} />
          </>
        )}
      </Answer>
    </>
  );
}
