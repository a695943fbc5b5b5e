/**
 * One log file around a line: `#/logs?file=ID&at=OFFSET`. More is read on demand, before and after.
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { LogLine, LogPart } from "../../../api/logs.ts";
import { Panel } from "../../components/panel.tsx";
import { Empty, Failed, Loading } from "../../components/states.tsx";
import { bytes } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { ask, question } from "../../models/query.ts";
import { LogLines } from "./log_lines.tsx";

const AROUND = 100;
const MORE = 300;

interface Shown {
  readonly lines: readonly LogLine[];
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

export function LogFile({ file, at }: { file: string; at: number | null }) {
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const read = async (from: number, before: number, limit: number): Promise<LogPart> =>
    await ask<LogPart>(question("logs/tail", { id: file, after: from, before, limit }));
  const show = (reading: Promise<Shown>): void => {
    reading.then(setShown, (error: Error) => setProblem(error.message));
  };
  useEffect(() => {
    show(read(at ?? Number.MAX_SAFE_INTEGER, AROUND, AROUND));
  }, []);
  useEffect(() => {
    document.querySelector(".log-line.chosen")?.scrollIntoView({ block: "center" });
  }, [shown === null]);
  if (problem !== null) return <Failed message={problem} />;
  if (shown === null) return <Loading />;
  const first = shown.lines[0];
  const earlier = async (): Promise<Shown> => {
    const part = await read(first!.offset, MORE, 1);
    const before = part.lines.filter(({ offset }) => offset < first!.offset);
    return { ...shown, lines: [...before, ...shown.lines] };
  };
  const later = async (): Promise<Shown> => {
    const part = await read(shown.end, 0, MORE);
    return { ...shown, lines: [...shown.lines, ...part.lines], end: part.end, size: part.size };
  };
  return (
    <Panel
      id="log-file"
      title={first?.source ?? "Log"}
      note={`${bytes(shown.size - shown.start)} of text`}
      actions={
        <>
          <a href={links.logs()}>All logs</a>
          {" · "}
          <a href={`./api/v1/logs/raw?id=${encodeURIComponent(file)}`} download>Download</a>
        </>
      }
    >
      <div class="table-tools">
        <button
          type="button"
          disabled={first === undefined || first.offset <= shown.start}
          onClick={() => show(earlier())}
        >
          Earlier lines
        </button>
        <button type="button" onClick={() => show(later())}>Later lines</button>
      </div>
      {shown.lines.length === 0
        ? <Empty>Nothing is written here.</Empty>
        : <LogLines lines={shown.lines} label="Lines of the file, in order" chosen={at} />}
    </Panel>
  );
}
