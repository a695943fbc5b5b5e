/**
 * `mobula trace TASK`: the steps that one task really took, in order, with node, process and time.
 * @module
 */
import type { TaskId } from "../common/ids.ts";
import type { TraceStep } from "../common/task_event.ts";
import { withHead } from "./head_client.ts";
import { print, printJson, table } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const traceCommand: CommandDefinition = {
  name: "trace",
  summary: "the steps that a task took",
  positionals: [{ name: "TASK", help: "its id; `mobula ls tasks` lists them", isRequired: true }],
  flags: COMMON_FLAGS,
  examples: [
    ["mobula trace t-1f3a…", "submit, lease, push, run, reply: with node, process and time"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const task = flags.positionals[0];
  if (task === undefined || !task.startsWith("t-")) {
    throw new UsageError(`trace: say which task, such as t-1f3a…; \`mobula ls tasks\` lists them`);
  }
  return await withHead(flags, async (head) => {
    const { steps } = await head.ask("trace", { taskId: task as TaskId });
    if (flags.isSet("json")) printJson(steps);
    else if (steps.length > 0) printSteps(steps);
    if (steps.length > 0) return 0;
    process.stderr.write(
      `mobula: no steps of ${task} are known: it does not exist, or its history is gone\n`,
    );
    return 1;
  });
}

function printSteps(steps: readonly TraceStep[]): void {
  const startMs = steps[0]!.atMs;
  print(table(
    ["JOURNEY", "STEP", "WHAT", "AT MS", "NODE", "PROCESS", "DETAIL"],
    steps.map((step) => [
      step.journey,
      String(step.step),
      step.name,
      (step.atMs - startMs).toFixed(1),
      step.nodeId ?? "",
      step.processId ?? "",
      step.detail,
    ]),
  ));
}
