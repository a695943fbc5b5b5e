/**
 * The newest lines that match a question to the logs, oldest of them first.
 * @module
 */
import { clock } from "../models/format.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { Panel } from "./panel.tsx";
import { Answer, Empty } from "./states.tsx";

/** Lines that are shown. */
const LINES = 40;

interface Line {
  readonly at: number;
  readonly file: string;
  readonly offset: number;
  readonly level: string;
  readonly stream: string;
  readonly name: string | null;
  readonly text: string;
}

export interface LogTailProps {
  readonly title: string;
  /** Of the query logs/search: job, task, actor, node, source. */
  readonly where: Readonly<Record<string, string>>;
}

export function LogTail({ title, where }: LogTailProps) {
  const answer = useQuery<{ lines: readonly Line[] }>(question("logs/search", { ...where, limit: LINES }));
  const { state, error } = answer.value;
  const hasNone = state === "failed" && error.code === "NOT_FOUND";
  return (
    <Panel id="log-tail" title={title} actions={<a href={links.logs(where)}>All lines</a>}>
      {hasNone ? <Empty>No line was written.</Empty> : (
        <Answer of={answer}>
          {({ lines }) => lines.length === 0 ? <Empty>No line was written.</Empty> : <Lines lines={lines} />}
        </Answer>
      )}
    </Panel>
  );
}

function Lines({ lines }: { lines: readonly Line[] }) {
  return (
    <div class="scroll log-tail" tabIndex={0} role="log" aria-label="Newest lines">
      <div>
        {[...lines].reverse().map((line) => (
          <div key={`${line.file} ${line.offset}`} class={`log-line ${line.stream} ${line.level}`}>
            <span class="muted">{clock(line.at)}</span> {line.text}
          </div>
        ))}
      </div>
    </div>
  );
}
