/**
 * What happened to a task, step by step, as `mobula trace` says it.
 * @module
 */
import type { TraceStepDto } from "../../../api_types.ts";
import { Id } from "../../components/id.tsx";
import { Answer, Empty } from "../../components/states.tsx";
import { clock, duration } from "../../models/format.ts";
import { question, useQuery } from "../../models/query.ts";

export function Steps({ id }: { id: string }) {
  const answer = useQuery<{ steps: readonly TraceStepDto[] }>(question("trace", { id }));
  if (answer.value.error?.code === "NOT_FOUND") {
    return <Empty>No steps are known: they are recorded for a sample of the newest tasks.</Empty>;
  }
  return (
    <Answer of={answer}>
      {({ steps }) => (
        <ol class="steps">
          {steps.map((step, i) => (
            <li key={`${step.journey} ${step.step} ${step.atMs} ${step.name}`}>
              <span class="at" title={clock(step.atMs)}>
                {i === 0 ? clock(step.atMs) : `+ ${duration(Math.max(0, step.atMs - steps[0]!.atMs))}`}
              </span>
              <span class="what">
                <b>{step.name}</b>
                {step.detail !== "" && <span class="muted">{` ${step.detail}`}</span>}
              </span>
              <span class="where">
                {step.nodeId !== null && <Id id={step.nodeId} />}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Answer>
  );
}
