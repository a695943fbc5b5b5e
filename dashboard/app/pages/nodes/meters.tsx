/**
 * How much of something is used, as words with a bar below.
 * @module
 */
import type { ResourceUse } from "../../../api_types.ts";
import { PartsBar } from "../../components/panel.tsx";
import { quantity } from "../../models/format.ts";

export interface MeterProps {
  readonly name: string;
  readonly used: number;
  /** 0: not known, no bar. */
  readonly total: number;
  readonly text: string;
  readonly rest: string;
}

export function Meter({ name, used, total, text, rest }: MeterProps) {
  const kind = used > total ? "over" : used > 0.9 * total ? "full" : "used";
  return (
    <div class="meter" data-meter={name}>
      <PartsBar
        whole={total}
        parts={[{ kind, size: used, label: text }]}
        label={`${name}: ${text} ${rest}`}
      />
      <span>
        {text} <span class="muted">{rest}</span>
      </span>
    </div>
  );
}

/** Logical resources: what is promised to running work. */
export function ResourceMeters({ resources }: { resources: Readonly<Record<string, ResourceUse>> }) {
  return (
    <div class="meters">
      {Object.entries(resources).map(([name, { used, total }]) => (
        <Meter
          key={name}
          name={name}
          used={used}
          total={total}
          text={quantity(name, used)}
          rest={`of ${quantity(name, total)} ${name}`}
        />
      ))}
    </div>
  );
}
