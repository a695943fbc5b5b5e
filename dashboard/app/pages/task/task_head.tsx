/**
 * Which task this is, how it ended, and why it waits.
 * @module
 */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { TaskRowDto } from "../../../api/tasks.ts";
import { Id } from "../../components/id.tsx";
import { State } from "../../components/state.tsx";
import { clock, duration } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";
import { Ran, waitedMs } from "./task_columns.tsx";

export function TaskHead({ id, attempts }: { id: string; attempts: readonly TaskRowDto[] }) {
  const task = attempts.at(-1)!;
  const isOver = task.state === "FINISHED" || task.state === "FAILED";
  return (
    <section class="panel page-head" id="head" aria-label="Task">
      <div class="page-title">
        <h2>{task.name}</h2>
        <State state={task.state} />
        <nav class="page-links" aria-label="Of this task">
          <a href={links.graph({ job: task.jobId, task: id })}>Graph</a>
          <a href={links.timeline({ job: task.jobId, task: id })}>Timeline</a>
          <a href={links.logs({ task: id })}>Logs</a>
        </nav>
      </div>
      {task.errorType !== null && (
        <div class="error-box" id="task-error">
          <strong class="failed-text">{task.errorType}</strong>
          <pre>{task.errorMessage}</pre>
        </div>
      )}
      <Why id={id} isOpenAtOnce={!isOver} />
      <dl class="facts-line">
        <Fact name="Task" mono>{id}</Fact>
        <Fact name="Job">
          <Id id={task.jobId} />
        </Fact>
        {task.parentTaskId != null && (
          <Fact name="Submitted by">
            <Id id={task.parentTaskId} />
          </Fact>
        )}
        {task.actorId !== null && (
          <Fact name="Actor">
            <Id id={task.actorId} />
          </Fact>
        )}
        <Fact name="Node">
          <Id id={task.nodeId} />
        </Fact>
        <Fact name="Worker">
          <Id id={task.workerId} />
        </Fact>
        <Fact name="Submitted">{clock(task.submittedMs)}</Fact>
        <Fact name="Waited">{waitedMs(task) === null ? "–" : duration(waitedMs(task)!)}</Fact>
        <Fact name="Ran">
          <Ran task={task} />
        </Fact>
      </dl>
    </section>
  );
}

function Fact({ name, mono, children }: { name: string; mono?: boolean; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={mono ? "mono" : ""}>{children}</dd>
    </div>
  );
}

/** The sentence that says what it waits for: at once for what is under way, by one click for what is over. */
function Why({ id, isOpenAtOnce }: { id: string; isOpenAtOnce: boolean }) {
  const [isOpen, setOpen] = useState(isOpenAtOnce);
  const answer = useQuery<{ sentence: string }>(isOpen ? question("why", { id }) : null);
  if (!isOpen) {
    return (
      <p class="task-why">
        <button type="button" onClick={() => setOpen(true)}>Why?</button>
      </p>
    );
  }
  const { data, error } = answer.value;
  return (
    <p class="task-why" id="why" role="status">
      <strong>Why?</strong> {data?.sentence ?? error?.message ?? "Asking…"}
    </p>
  );
}
