/**
 * The newest lines that something printed, kept up to date, with the way to all of them.
 * @module
 */
import { clock } from "../models/format.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { Panel } from "./panel.tsx";
import { Empty, Loading } from "./states.tsx";

const LINES = 60;

interface Line {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly file: string;
  readonly offset: number;
  readonly level: string;
  readonly stream: string;
  readonly text: string;
}

export interface LogTailProps {
  readonly title: string;
  /** Parameters of the log search: `actor`, `source` or `task`. */
  readonly about: Readonly<Record<string, string>>;
}

export function LogTail({ title, about }: LogTailProps) {
  const key = question("logs/search", { ...about, limit: LINES });
  const { state, data, error } = useQuery<{ lines: readonly Line[] }>(key).value;
  return (
    <Panel id="log-tail" title={title} actions={<a href={links.logs(about)}>all lines</a>}>
      {state === "loading"
        ? <Loading />
        : data === null
        ? <Empty>No lines can be had: {error?.message}.</Empty>
        : data.lines.length === 0
        ? <Empty>It has printed nothing yet.</Empty>
        : (
          <ol class="log-tail" tabIndex={0} aria-label={title}>
            {[...data.lines].reverse().map(({ at, file, offset, level, stream, text }) => (
              <li key={`${file} ${offset}`} data-level={level} class={stream === "err" ? "err" : ""}>
                <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>
                <span>{text}</span>
              </li>
            ))}
          </ol>
        )}
    </Panel>
  );
}
