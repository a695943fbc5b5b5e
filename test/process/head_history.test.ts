/** Counts of functions in a real store: what an ended process left open has failed, whatever comes late. */
import { expect, test } from "bun:test";
import type { ProcessId } from "../../runtime/common/ids.ts";
import { ClusterView } from "../../runtime/io/telemetry/cluster_view.ts";
import { TaskHistory } from "../../runtime/process/head_history.ts";
import * as events from "../dashboard/cluster_events.ts";
import { kv, open, temporaryFolder, until } from "../io/storage/store_fixture.ts";

test("function_counts have what an ended process left open as failed, also when its last words come late", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  const view = new ClusterView();
  const history = new TaskHistory(store, view, () => 5_000);
  const batch = (processId: string, sequence: number, running: number) =>
    events.taskBatch(processId, sequence, {
      counts: [
        events.counts("work", {
          pendingArgs: 1,
          pendingNode: 2,
          submitted: 3,
          running,
          finished: 10,
          failed: 1,
        }),
        events.counts("done", { finished: 4 }),
      ],
    });
  history.take([batch("d-1", 1, 4), batch("d-2", 1, 4), batch("d-3", 1, 4)]);
  history.flush();
  view.processDied("d-1" as ProcessId);
  view.processDied("d-2" as ProcessId);
  history.take([batch("d-2", 2, 5)]);
  history.flush();
  await until(() => store.counts.historyQueued === 0);
  // In the order of commits: a query sees what was committed before.
  store.write(kv("tick", "1"));
  await store.committed();
  const rows = await store.query({ table: "functionCounts" });
  const shown = rows.map(({ processId, name, submitted, finished, failed, jobId, sequence }) =>
    [processId, name, submitted, finished, failed, jobId, sequence].join(" ")
  );
  expect(shown.sort()).toEqual([
    "d-1 done 0 4 0 j-1 1",
    "d-1 work 0 10 11 j-1 1",
    "d-2 done 0 4 0 j-1 2",
    "d-2 work 0 10 12 j-1 2",
    "d-3 done 0 4 0 j-1 1",
    "d-3 work 3 10 1 j-1 1",
  ]);
  await store.close();
});
