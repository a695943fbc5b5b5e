/**
 * All actors: how many there are in which state and of which class, and a list that the head filters, sorts and pages.
 * @module
 */
import type { ActorsOverviewDto } from "../../api/entities.ts";
import { Answer } from "../components/states.tsx";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { ActorList } from "./actors/actor_list.tsx";
import { ActorsOverview } from "./actors/overview.tsx";

export function ActorsPage() {
  useTopics("nodes");
  const overview = useQuery<ActorsOverviewDto>(question("actors/overview"));
  return (
    <>
      <Answer of={overview}>{(about) => about.total === 0 ? null : <ActorsOverview about={about} />}</Answer>
      <ActorList />
    </>
  );
}
