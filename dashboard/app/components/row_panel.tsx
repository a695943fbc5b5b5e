/**
 * Everything that is known of one thing: its row, as names and values; ids are links.
 * @module
 */
import type { ListAnswer } from "../../api_types.ts";
import { clock } from "../models/format.ts";
import { question, useQuery } from "../models/query.ts";
import { Id } from "./id.tsx";
import { Panel } from "./panel.tsx";
import { Answer, Empty } from "./states.tsx";

export interface RowPanelProps {
  readonly kind: string;
  readonly column: string;
  readonly id: string;
  readonly title: string;
}

export function RowPanel({ kind, column, id, title }: RowPanelProps) {
  const answer = useQuery<ListAnswer>(question(kind, { filter: `${column}=${id}`, detail: 1, limit: 1 }));
  return (
    <Panel id="row" title={title} note={<Id id={id} whole />}>
      <Answer of={answer}>
        {({ rows }) =>
          rows[0] === undefined
            ? <Empty>Nothing is known of {id}: it is over and was forgotten, or it never was.</Empty>
            : <Facts row={rows[0]} />}
      </Answer>
    </Panel>
  );
}

/** Names and values of a row. */
export function Facts({ row }: { row: Readonly<Record<string, unknown>> }) {
  return (
    <dl class="row-facts">
      {Object.entries(row).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Value name={name} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  if (value === null || value === undefined || value === "") return <span class="zero">–</span>;
  if (typeof value === "number" && name.endsWith("Ms") && value > 1e12) {
    return <time dateTime={new Date(value).toISOString()}>{clock(value)}</time>;
  }
  if (typeof value === "string") return /^[a-z]-/.test(value) ? <Id id={value} whole /> : <>{value}</>;
  if (typeof value === "object") return <code class="wrap">{JSON.stringify(value)}</code>;
  return <>{String(value)}</>;
}
