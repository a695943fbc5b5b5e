/**
 * How an actor's calls fared over the last minutes: their rate, how long they took, how many waited.
 * @module
 */
import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import type uPlot from "uplot";
import type { ActorPageDto, ActorSamplesDto } from "../../../api/entities.ts";
import { Panel } from "../../components/panel.tsx";
import { Empty } from "../../components/states.tsx";
import { Strip } from "../../components/strip.tsx";
import { duration, shortCount } from "../../models/format.ts";
import { headNow } from "../../models/head_clock.ts";

/** What the strips show, unless all began later. */
const SPAN_S = 300;

export function Calls({ page }: { page: ActorPageDto }) {
  const { samples, isLight } = page;
  if (samples.atMs.length === 0) {
    return (
      <Panel id="calls" title="Its calls">
        <Empty>
          {isLight
            ? "Calls of light actors are not measured one by one."
            : "It was not called lately. Rate, time and mailbox of its calls appear here."}
        </Empty>
      </Panel>
    );
  }
  return (
    <Panel id="calls" title="Its calls" note="the last five minutes">
      <Strips samples={samples} />
    </Panel>
  );
}

function Strips({ samples }: { samples: ActorSamplesDto }) {
  const current = useSignal(samples);
  useLayoutEffect(() => void (current.value = samples), [samples]);
  const span = useComputed((): [number, number] => {
    const end = headNow.value / 1000;
    return [end - SPAN_S, end];
  });
  const column = (
    ...names: readonly Exclude<keyof ActorSamplesDto, "atMs">[]
  ): ReadonlySignal<uPlot.AlignedData> =>
    useComputed(() => filled(current.value, names, headNow.value)) as ReadonlySignal<uPlot.AlignedData>;
  return (
    <div class="strips two">
      <Strip
        id="call-rate"
        title="Calls"
        unit="count"
        topMin={4}
        format={shortCount}
        span={span}
        data={column("callsPerSecond")}
        series={[{ label: "ended/s", colour: "finished", filled: true }]}
      />
      <Strip
        id="call-time"
        title="Time of a call"
        unit="count"
        topMin={1}
        format={duration}
        span={span}
        data={column("meanCallMs")}
        series={[{ label: "mean", colour: "data" }]}
      />
      <Strip
        id="call-queue"
        title="At its process"
        unit="count"
        topMin={4}
        format={shortCount}
        span={span}
        data={column("mailboxDepth", "callsRunning")}
        series={[{ label: "waiting", colour: "waiting", filled: true }, {
          label: "running",
          colour: "running",
        }]}
      />
    </div>
  );
}

/**
 * Points come while something changes: from the last of them on all is as it was, and between two that are far apart too.
 */
function filled(
  samples: ActorSamplesDto,
  names: readonly Exclude<keyof ActorSamplesDto, "atMs">[],
  nowMs: number,
): (number | null)[][] {
  const times: number[] = [];
  const from: number[] = [];
  samples.atMs.forEach((atMs, i) => {
    const before = samples.atMs[i - 1];
    if (before !== undefined && atMs - before > 2_500) {
      times.push((atMs - 1_000) / 1000);
      from.push(i - 1);
    }
    times.push(atMs / 1000);
    from.push(i);
  });
  const last = samples.atMs.at(-1);
  if (last !== undefined && nowMs > last + 1_000) {
    times.push(nowMs / 1000);
    from.push(samples.atMs.length - 1);
  }
  return [times, ...names.map((name) => from.map((i) => samples[name][i] ?? null))];
}
