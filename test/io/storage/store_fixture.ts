/**
 * What the store's tests share: a temporary folder, rows with uninteresting fields filled in, a store that is closed again.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HistoryRow, StoredActor, StoreWrite } from "../../../runtime/io/storage/rows.ts";
import { type GcsStore, openStore, type StoreOptions } from "../../../runtime/io/storage/store_client.ts";

/** A folder that is gone at the end of the scope. */
export function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "mobula-store-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A store whose failures make the test fail, unless it listens for them itself. */
export function open(dir: string, options: Partial<StoreOptions> = {}): Promise<GcsStore> {
  return openStore({
    url: null,
    dir,
    runtime: "bun",
    clusterId: "c-test",
    onFatal: (error) => {
      throw error;
    },
    ...options,
  });
}

export function kv(key: string, value: string): StoreWrite {
  return { table: "kv", put: { key, value: new TextEncoder().encode(value) } };
}

export function actor(actorId: string, fields: Partial<StoredActor> = {}): StoredActor {
  return {
    actorId,
    jobId: "j-1",
    className: "Counter",
    name: "",
    namespace: "",
    state: "ALIVE",
    incarnation: 1,
    restartsLeft: 0,
    nodeId: "n-1",
    workerId: "w-1",
    socketPath: null,
    pid: 1,
    deathCause: null,
    hasErrorValue: 0,
    createdMs: 1,
    startedMs: 2,
    endedMs: null,
    ...fields,
  };
}

export function task(
  taskId: string,
  state: string = "FINISHED",
  submittedMs: number = Date.now(),
): HistoryRow {
  return {
    table: "tasks",
    put: {
      taskId,
      attempt: 0,
      jobId: "j-1",
      name: "add",
      type: "NORMAL_TASK",
      state,
      parentTaskId: null,
      actorId: null,
      nodeId: "n-1",
      workerId: "w-1",
      submittedMs,
      pushedMs: submittedMs,
      startMs: submittedMs,
      endMs: submittedMs + 1,
      args: "[]",
      resultBytes: 8,
      errorType: state === "FAILED" ? "TypeError" : null,
      errorMessage: state === "FAILED" ? "no" : null,
      errorStack: state === "FAILED" ? "at work (app.ts:1:1)" : null,
      errorRoot: null,
    },
  };
}

/** Resolves when `condition` holds; the test's own time limit is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
