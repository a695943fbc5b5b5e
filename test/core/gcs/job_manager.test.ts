/** The job manager, event by event. */
import { expect, test } from "bun:test";
import type { JobId, ProcessId } from "../../../runtime/common/ids.ts";
import {
  ENDED_JOBS_KEPT,
  type JobEvent,
  JobManager,
  type JobRecord,
} from "../../../runtime/core/gcs/job_manager.ts";
import { DRIVER, J1, N1, N2, typesOf } from "./fixtures.ts";

function addJob(changes: Partial<Extract<JobEvent, { type: "addJob" }>> = {}): JobEvent {
  return {
    type: "addJob",
    requestId: "q",
    newJobId: J1,
    driverId: DRIVER,
    nodeId: N1,
    namespace: "ns",
    entrypoint: "main.ts",
    pid: 7,
    runtime: "bun",
    ...changes,
  };
}

const RECORD: JobRecord = {
  jobId: J1,
  driverId: DRIVER,
  nodeId: N1,
  namespace: "ns",
  entrypoint: "main.ts",
  pid: 7,
  runtime: "bun",
  state: "RUNNING",
  message: "",
  startedMs: 5,
  endedMs: null,
};

test("a job is persisted before it is answered", () => {
  const machine = new JobManager();
  expect(machine.step(5, addJob())).toEqual([
    { type: "persistJob", job: RECORD },
    { type: "jobAdded", requestId: "q", jobId: J1, namespace: "ns" },
  ]);
  machine.check();
});

test("a resent request gets the same job; without a namespace the job has one of its own", () => {
  const machine = new JobManager();
  machine.step(5, addJob({ namespace: null }));
  const again = addJob({ requestId: "q2", newJobId: "j-2" as JobId, namespace: null });
  expect(machine.step(6, again)).toEqual([
    { type: "jobAdded", requestId: "q2", jobId: J1, namespace: "anonymous-1" },
  ]);
  machine.check();
});

test("a job ends once, and its driver's next request is another job", () => {
  const machine = new JobManager();
  machine.step(5, addJob());
  const end: JobEvent = { type: "endJob", jobId: J1, reason: "done", failed: false };
  expect(machine.step(9, end)).toEqual([
    { type: "persistJob", job: { ...RECORD, state: "SUCCEEDED", message: "done", endedMs: 9 } },
    { type: "jobEnded", jobId: J1, driverId: DRIVER, reason: "done" },
  ]);
  expect(machine.step(9, end)).toEqual([]);
  expect(machine.step(9, { ...end, jobId: "j-unknown" as JobId })).toEqual([]);
  expect(machine.isRunning(J1)).toBe(false);
  expect(machine.endedSince(8)).toEqual([J1]);
  expect(machine.endedSince(9)).toEqual([]);
  expect(machine.step(10, addJob({ newJobId: "j-2" as JobId }))).toMatchObject([{}, { jobId: "j-2" }]);
  machine.check();
});

test("a node's death ends the jobs of its drivers only", () => {
  const machine = new JobManager();
  machine.step(5, addJob());
  machine.step(5, addJob({ driverId: "d-2" as ProcessId, newJobId: "j-2" as JobId, nodeId: N2 }));
  const effects = machine.step(6, { type: "nodeDied", nodeId: N1, reason: "silent" });
  expect(typesOf(effects)).toEqual(["persistJob", "jobEnded"]);
  expect(effects[1]).toMatchObject({ jobId: J1, reason: "the driver's node n-1 died: silent" });
  expect(machine.isRunning("j-2" as JobId)).toBe(true);
  machine.check();
});

test("a node that comes back without a driver has lost it, also after a restart of the head", () => {
  const other: JobRecord = { ...RECORD, jobId: "j-2" as JobId, driverId: "d-2" as ProcessId };
  const machine = new JobManager([RECORD, other, {
    ...RECORD,
    jobId: "j-0" as JobId,
    state: "FAILED",
    endedMs: 1,
  }]);
  machine.check();
  const drivers = [{ driverId: DRIVER, jobId: J1 }];
  expect(machine.step(9, { type: "driversReported", nodeId: N1, drivers })).toMatchObject([
    { type: "persistJob", job: { jobId: "j-2", state: "FAILED", message: "the driver is gone" } },
    { type: "jobEnded", jobId: "j-2", driverId: "d-2" },
  ]);
  expect(machine.isRunning(J1)).toBe(true);
  machine.check();
});

test("ended jobs are remembered up to a limit", () => {
  const machine = new JobManager();
  for (let index = 0; index <= ENDED_JOBS_KEPT; index++) {
    const jobId = `j-x${index}` as JobId;
    machine.step(5, addJob({ driverId: `d-x${index}` as ProcessId, newJobId: jobId }));
    const effects = machine.step(6, { type: "endJob", jobId, reason: "", failed: true });
    if (index === ENDED_JOBS_KEPT) {
      expect(effects.at(-1)).toEqual({ type: "forgetJob", jobId: "j-x0" as JobId });
    }
  }
  machine.check();
});
