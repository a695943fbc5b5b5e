/**
 * Lineage as it travels: to this process's agent, which keeps it for the time after this process (process/agent_heirs.ts),
 * and back to some process that runs it.
 * @module
 */
import type { RefTarget } from "../../protocol/messages.ts";
import type { LineageCall, LineageMethods, LineageTask } from "../../protocol/rebuild_messages.ts";
import type { KeptTask } from "../../core/worker/lineage.ts";
import { taskId } from "../../common/ids.ts";
import type { KeptArguments } from "./arguments.ts";
import type { CoreContext } from "./core_context.ts";
import { FunctionRecord } from "./functions.ts";
import type { CallShape } from "./own_task.ts";
import { type Submission, TaskSubmission } from "./submissions.ts";
import type { TaskManager } from "./tasks.ts";

/** Send what is kept of these tasks to the agent, each after what it needs. Not calls of actors: those end with their owner. */
export async function tellLineage(core: CoreContext, family: readonly KeptTask<Submission>[]): Promise<void> {
  const tasks: LineageMethods["keepLineage"]["params"]["tasks"] = [];
  const sections: Uint8Array[] = [];
  for (const { what, results, stored, retriesLeft } of family) {
    if (!(what instanceof TaskSubmission)) continue;
    tasks.push({
      task: what.task,
      retriesLeft,
      call: await callOf(core, what.call),
      args: argumentsOf(what.args, sections),
      results: [...results],
      stored: stored.map(({ id, task, owned }) => {
        return { id, task: task === null ? null : taskId(core.identity.self, task), owned };
      }),
    });
  }
  if (tasks.length > 0) core.link.notify("keepLineage", { tasks }, sections);
}

/** What travelled, to be submitted here. */
export function readLineage(
  core: CoreContext,
  manager: TaskManager,
  tasks: readonly LineageTask[],
  sections: readonly Uint8Array[],
): { readonly what: TaskSubmission; readonly retriesLeft: number }[] {
  let section = 0;
  const next = (): Uint8Array => sections[section++]!.slice();
  return tasks.map(({ task, call, args, retriesLeft }) => {
    const kept = args === "block" ? next() : args.map((part) => part ?? next());
    const shape = { id: task, call: shapeOf(core, manager, call), attempt: 0 };
    return { what: new TaskSubmission(core, shape, kept), retriesLeft };
  });
}

function argumentsOf(args: KeptArguments, sections: Uint8Array[]): LineageTask["args"] {
  if (args instanceof Uint8Array) {
    sections.push(args);
    return "block";
  }
  return args.map((part): RefTarget | null => {
    if (!(part instanceof Uint8Array)) return part;
    sections.push(part);
    return null;
  });
}

async function callOf(core: CoreContext, call: CallShape): Promise<LineageCall> {
  const { record, name, maxRetries, numReturns, retryExceptions, items } = call;
  let { shape } = call;
  if (shape.runtimeEnv.folder !== undefined) {
    shape = { ...shape, runtimeEnv: await core.workingDirs.resolve(shape.runtimeEnv) };
  }
  const { hash, maxCalls, name: functionName } = record;
  return { hash, functionName, maxCalls, name, shape, maxRetries, numReturns, retryExceptions, items };
}

function shapeOf(core: CoreContext, manager: TaskManager, call: LineageCall): CallShape {
  const { hash, functionName, maxCalls, name, shape, maxRetries, numReturns, retryExceptions, items } = call;
  return {
    // Its worker takes the source from the function table.
    record: new FunctionRecord({
      ...{ hash, kind: "function", name: functionName, source: "", captures: null, maxCalls },
    }),
    shape,
    stats: core.recorder.stats(name, "NORMAL_TASK"),
    name,
    owner: core.identity.self,
    maxRetries,
    numReturns,
    retryExceptions,
    items,
    signal: null,
    manager,
  };
}
