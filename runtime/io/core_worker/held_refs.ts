/**
 * What a process says when `mobula mem` asks which refs it holds and why. Only looks.
 * @module
 */
import type { ObjectId } from "../../common/ids.ts";
import type { HeldRef } from "../../common/memory_facts.ts";
import type { TaskSubmitter } from "../../core/worker/task_submitter.ts";
import type { CallArguments } from "./arguments.ts";
import type { CallSites } from "./call_sites.ts";
import { Entry } from "./entry.ts";
import type { OwnTask } from "./own_task.ts";

/** Tasks that are not done. */
export interface TasksUnderWay {
  /** Those that wait for arguments. */
  readonly unready: ReadonlySet<OwnTask>;
  readonly submitter: TaskSubmitter<OwnTask>;
}

/** Calls looked through, at most: a process may have a million, and people wait. */
const CALLS_MAX = 100_000;

/** Of `known`, those that are counted and not released, and those of `bundled`: at most `limit`, or the one of `id`. */
export function heldRefs(
  known: Iterable<Entry>,
  calls: Iterable<{ readonly args: CallArguments }>,
  bundled: Iterable<{ readonly id: ObjectId }>,
  sites: CallSites | null,
  { limit, id }: { readonly limit: number; readonly id: string | null },
): HeldRef[] {
  const pending = new Map<Entry, number>();
  let looked = 0;
  for (const { args } of calls) {
    if (++looked > CALLS_MAX) break;
    for (const held of args.held) if (held instanceof Entry) pending.set(held, (pending.get(held) ?? 0) + 1);
  }
  const refs: HeldRef[] = [];
  for (const entry of known) {
    if (refs.length >= limit) break;
    if (!entry.registered || (id !== null && entry.id !== id)) continue;
    const pendingCalls = pending.get(entry) ?? 0;
    refs.push({
      id: entry.id,
      uses: Math.max(0, entry.count - pendingCalls),
      pendingCalls,
      callSite: sites?.of(entry) ?? null,
    });
  }
  for (const each of bundled) {
    if (refs.length >= limit) break;
    if (id === null || each.id === id) {
      refs.push({ id: each.id, uses: 1, pendingCalls: 0, callSite: null, isBundled: true });
    }
  }
  return refs;
}

/** Every task that is not done. */
export function* tasksOf({ unready, submitter }: TasksUnderWay): Iterable<OwnTask> {
  yield* unready;
  for (const { inFlight } of submitter.leases.values()) yield* inFlight.values();
  for (const { waiting } of submitter.queues.values()) yield* waiting;
  yield* submitter.gated;
  for (const [task] of submitter.delayed.entries()) yield task;
}
