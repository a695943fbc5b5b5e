/**
 * One job: how far it is, by function; where its time goes; what failed; what it wrote.
 * @module
 */
import type { ProfileDto } from "../../api/tasks.ts";
import { LogTail } from "../components/log_tail.tsx";
import { Answer, Empty } from "../components/states.tsx";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { ErrorGroups } from "./job/error_groups.tsx";
import { FunctionTree } from "./job/function_tree.tsx";
import { JobHead } from "./job/job_head.tsx";
import { Progress } from "./job/progress.tsx";

export function JobPage({ id }: { id: string }) {
  const answer = useQuery<ProfileDto>(question("profile", { job: id }));
  if (answer.value.data === null && answer.value.error !== null) {
    return (
      <>
        <JobHead id={id} job={null} />
        <section class="panel">
          <Empty>
            There is no profile of this job: {answer.value.error.message}. Finished jobs stand in the{" "}
            <a href={links.history()}>history</a>.
          </Empty>
        </section>
      </>
    );
  }
  return (
    <>
      <JobHead id={id} job={answer.value.data?.job ?? null} />
      <Answer of={answer}>
        {(profile) => (
          <>
            <Progress profile={profile} />
            <FunctionTree profile={profile} />
            <ErrorGroups profile={profile} />
          </>
        )}
      </Answer>
      <LogTail title="Newest lines" where={{ job: id }} />
    </>
  );
}
