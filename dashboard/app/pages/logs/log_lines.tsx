/**
 * Lines of logs, oldest first: when, which task or actor, what. A line's time is its address.
 * @module
 */
import type { LogLine } from "../../../api/logs.ts";
import { count } from "../../models/format.ts";
import { linkOf, links } from "../../models/links.ts";

export interface LogLinesProps {
  readonly lines: readonly LogLine[];
  readonly label: string;
  /** The line that the address names. */
  readonly chosen?: number | null;
}

export function LogLines({ lines, label, chosen = null }: LogLinesProps) {
  return (
    <div class="scroll log-lines" tabIndex={0} role="log" aria-label={label}>
      <div>
        {lines.map((line) => (
          <div
            key={`${line.file} ${line.offset}`}
            class={`log-line ${line.stream} ${line.level} ${line.offset === chosen ? "chosen" : ""}`}
            aria-current={line.offset === chosen ? "true" : undefined}
          >
            <a class="log-time" href={addressOf(line)} title={new Date(line.at).toISOString()}>
              {timeOf(line.at)}
            </a>
            <span class="log-level" title={line.level}>{SIGNS[line.level]}</span>
            <Who line={line} />
            <span class="log-text">
              {line.text}
              {line.cut > 0 && <span class="muted">… {count(line.cut)} characters more</span>}
            </span>
          </div>
        ))}
      </div>
    </div>
  );
}

/** Levels have signs as well as colours. */
const SIGNS: Readonly<Record<LogLine["level"], string>> = { debug: "·", info: "", warning: "▲", error: "●" };

/** The line among its neighbours. */
function addressOf({ file, offset }: LogLine): string {
  return links.logs({ file, at: String(offset) });
}

function Who({ line }: { line: LogLine }) {
  const id = line.task ?? line.actor ?? (line.source.startsWith("w-") ? line.source : null);
  const href = id === null ? null : linkOf(id);
  const text = line.name ?? line.source;
  const where = line.node === null ? line.source : `${line.source} on ${line.node}`;
  const title = line.pid === null ? where : `pid ${line.pid}, ${where}`;
  if (href === null) return <span class="log-who muted" title={title}>{text}</span>;
  return <a class="log-who" href={href} title={title}>{text}</a>;
}

function timeOf(ms: number): string {
  const date = new Date(ms);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
