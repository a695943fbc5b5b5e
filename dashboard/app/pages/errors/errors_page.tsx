/**
 * Failures that look alike, in one row: what, how often, since when, which tasks, and what the newest of them wrote.
 * @module
 */
import { useState } from "preact/hooks";
import type { ErrorsDto } from "../../../api/errors.ts";
import type { ErrorGroupDto } from "../../../api/tasks.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { LogTail } from "../../components/log_tail.tsx";
import { Panel } from "../../components/panel.tsx";
import { Answer } from "../../components/states.tsx";
import { clock, count } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";
import { route } from "../../models/route.ts";
import { Times } from "../job/error_groups.tsx";
import "../logs/logs.css";

/** Tasks that a row names. */
const TASKS = 3;

export function ErrorsPage() {
  const job = route.value.params.get("job");
  const answer = useQuery<ErrorsDto>(question("errors", { job }));
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <>
      <Panel
        id="errors"
        title="Errors"
        note={job === null ? "of all jobs" : (
          <>
            of job <Id id={job} />
          </>
        )}
        actions={job === null ? undefined : <a href={links.errors()}>Of all jobs</a>}
      >
        <Answer of={answer}>
          {(errors) => <Groups errors={errors} onChoose={setChosen} />}
        </Answer>
      </Panel>
      <Answer of={answer}>
        {({ groups }) => {
          const group = groups.find(({ fingerprint }) => fingerprint === chosen) ?? groups[0];
          return group === undefined ? null : <Sample group={group} />;
        }}
      </Answer>
    </>
  );
}

function columnsOf(onChoose: (fingerprint: string) => void): readonly Column<ErrorGroupDto>[] {
  return [
    {
      id: "error",
      title: "Error",
      cell: (group) => (
        <button
          type="button"
          class="sort error-name"
          onClick={() => onChoose(group.fingerprint)}
        >
          <span class="failed-text">{group.errorType || "Error"}</span>{" "}
          <span class="message">{group.message.slice(0, 300)}</span>
        </button>
      ),
      value: (group) => `${group.errorType} ${group.message}`,
    },
    {
      id: "function",
      title: "In",
      cell: ({ functionName }) => <a href={tasksOf(functionName)}>{functionName}</a>,
      value: ({ functionName }) => functionName,
    },
    {
      id: "count",
      title: "Times",
      align: "num",
      cell: (group) => <Times group={group} />,
      value: (group) => group.count,
    },
    {
      id: "first",
      title: "First",
      align: "num",
      optional: true,
      cell: ({ firstMs }) => clock(firstMs),
      value: ({ firstMs }) => firstMs,
    },
    {
      id: "last",
      title: "Last",
      align: "num",
      cell: ({ lastMs }) => clock(lastMs),
      value: ({ lastMs }) => lastMs,
    },
    {
      id: "tasks",
      title: "Tasks",
      optional: true,
      cell: ({ taskIds }) =>
        taskIds.slice(0, TASKS).map((id) => (
          <div key={id}>
            <Id id={id} whole />
          </div>
        )),
    },
  ];
}

function Groups({ errors, onChoose }: { errors: ErrorsDto; onChoose: (fingerprint: string) => void }) {
  const { groups, total, attempts, attemptsTotal } = errors;
  const columns = columnsOf(onChoose);
  return (
    <>
      {attempts < attemptsTotal && (
        <p class="note">
          {count(attempts)} of {count(attemptsTotal)} failed attempts are still known and grouped here.
        </p>
      )}
      <DataTable
        label="Errors by what they have in common"
        one="error"
        many="errors"
        rows={groups}
        total={total}
        rowKey={({ fingerprint }) => fingerprint}
        columns={columns}
        empty="No task has failed."
      />
    </>
  );
}

function Sample({ group }: { group: ErrorGroupDto }) {
  const task = group.taskIds[0];
  return (
    <>
      <Panel id="sample" title="Newest of these" note={`${group.functionName}, ${clock(group.lastMs)}`}>
        <pre class="error-sample">{group.errorType}: {group.message}{group.stack && `\n${group.stack}`}</pre>
        <ul class="error-tasks">
          {group.taskIds.map((id) => (
            <li key={id}>
              <Id id={id} whole /> <a href={links.logs({ task: id })}>its lines</a>
            </li>
          ))}
        </ul>
        {group.nodes.length > 0 && (
          <p class="note">
            on {group.nodes.map((id) => (
              <span key={id}>
                <Id id={id} />
                {" "}
              </span>
            ))}
          </p>
        )}
      </Panel>
      {task !== undefined && <LogTail key={task} title="What it wrote" where={{ task }} />}
    </>
  );
}

function tasksOf(functionName: string): string {
  const params = new URLSearchParams();
  params.append("filter", `name=${functionName}`);
  params.append("filter", "state=FAILED");
  return `#/tasks?${params}`;
}
