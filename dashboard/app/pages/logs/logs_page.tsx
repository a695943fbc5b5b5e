/**
 * What workers, agents and the head wrote: a search over everything, or one file around a line.
 * @module
 */
import { route } from "../../models/route.ts";
import { LogFile } from "./log_file.tsx";
import { LogFiles } from "./log_files.tsx";
import { LogSearch } from "./log_search.tsx";
import "./logs.css";

export function LogsPage() {
  const { params } = route.value;
  const file = params.get("file");
  if (file !== null) {
    const at = params.get("at");
    return <LogFile key={`${file} ${at}`} file={file} at={at === null ? null : Number(at)} />;
  }
  return (
    <>
      <LogSearch />
      <LogFiles />
    </>
  );
}
