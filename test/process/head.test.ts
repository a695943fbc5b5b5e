/**
 * The head as a process: what it acknowledged survives kill -9, nodes and requests go on with the next one, and nobody gets
 * in without the token.
 * @module
 */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ActorId, JobId, NodeId, ObjectId, ProcessId } from "../../runtime/common/ids.ts";
import type { ActorSpec, ActorStatus, LeaseRequest } from "../../runtime/common/task_spec.ts";
import type { TaskRow } from "../../runtime/common/task_event.ts";
import type { NodeRow, ObjectReport } from "../../runtime/protocol/messages.ts";
import { RUNTIMES } from "../support/run_program.ts";
import { testUnless } from "../support/skip.ts";
import { skipReason } from "../support/toolchain.ts";
import { startSqld } from "../io/storage/sqld_fixture.ts";
import { until } from "../io/storage/store_fixture.ts";
import { type Link, registration, TestHead } from "./head_fixture.ts";
import { childOf } from "../support/processes.ts";

const DRIVER = "d-1" as ProcessId;

async function addJob(link: Link, driverId: ProcessId = DRIVER): Promise<JobId> {
  const { result } = await link.request("addJob", {
    driverId,
    nodeId: "n-1" as NodeId,
    namespace: "ns",
    entrypoint: "test.ts",
    pid: 1,
    runtime: "bun",
  });
  return result.jobId;
}

function actorSpec(actorId: string, jobId: JobId, fields: Partial<ActorSpec> = {}): ActorSpec {
  return {
    actorId: actorId as ActorId,
    jobId,
    owner: DRIVER,
    ownerNode: "n-1" as NodeId,
    className: "Counter",
    classHash: "hash",
    name: "",
    namespace: "ns",
    detached: false,
    maxRestarts: 1,
    maxTaskRetries: 0,
    maxConcurrency: 1,
    maxPendingCalls: -1,
    resources: {},
    placementResources: { CPU: 10_000 },
    strategy: { type: "hybrid" },
    runtimeEnv: { hash: "" },
    args: [],
    methods: { increment: {} },
    ...fields,
  };
}

function leaseRequest(jobId: JobId): LeaseRequest {
  return {
    requestId: "l1",
    kind: "task",
    jobId,
    submitter: DRIVER,
    submitterNode: "n-1" as NodeId,
    taskId: "t-1-1" as never,
    name: "sum",
    classKey: "c",
    resources: { CPU: 10_000 },
    strategy: { type: "hybrid" },
    runtimeEnv: { hash: "" },
    args: [],
    backlog: 1,
    depth: 0,
  };
}

/** Not `expect(…).rejects`: on Bun it turns the event loop inside itself, in which HTTP/2 hears nothing. */
async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error & { code?: string };
  }
  throw new Error("it did not fail");
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const drivers = (jobId: JobId) => [{ driverId: DRIVER, jobId }];

for (const runtime of RUNTIMES) {
  test(`acknowledged jobs, functions, names and keys survive kill -9 of a head on ${runtime}`, async () => {
    await using head = new TestHead();
    await head.start(runtime);
    const { clusterId } = head.ready;
    const node = await head.join();
    const jobId = await addJob(node);
    const source = bytes("() => 42");
    await node.request("exportFunction", { hash: "h1", kind: "function", name: "answer" }, [source]);
    expect((await node.request("kvPut", { key: "k", overwrite: false }, [bytes("one")])).result).toEqual({
      existed: false,
    });
    expect((await node.request("kvPut", { key: "k", overwrite: false }, [bytes("two")])).result).toEqual({
      existed: true,
    });
    await node.request("kvPut", { key: "gone", overwrite: true }, [bytes("x")]);
    await node.request("kvDelete", { key: "gone" });
    const spec = actorSpec("a-1", jobId, { name: "counter", detached: true });
    await node.request("createActor", { spec, getIfExists: false }, [bytes("arguments")]);
    await head.kill();

    await head.start(runtime);
    expect(head.ready.clusterId).toBe(clusterId);
    const started = Promise.withResolvers<string>();
    const again = await head.join("n-1", {
      registration: { drivers: drivers(jobId) },
      handlers: {
        startActor: ({ spec, incarnation }, sections) => {
          started.resolve(`${spec.actorId} ${incarnation} ${new TextDecoder().decode(sections[0])}`);
          return {};
        },
      },
    });
    // Resent: the same job, not a second one.
    expect(await addJob(again)).toBe(jobId);
    const fetched = await again.request("fetchFunction", { hash: "h1" });
    expect([fetched.result.name, new TextDecoder().decode(fetched.sections[0])]).toEqual([
      "answer",
      "() => 42",
    ]);
    expect(new TextDecoder().decode((await again.request("kvGet", { key: "k" })).sections[0])).toBe("one");
    expect((await again.request("kvList", { prefix: "" })).result.keys).toEqual(["k"]);
    const found = await again.request("getActor", { name: "counter", namespace: "ns" });
    expect(found.result.actorId).toBe("a-1" as ActorId);
    expect(
      await failure(
        again.request("createActor", {
          spec: actorSpec("a-2", jobId, { name: "counter" }),
          getIfExists: false,
        }),
      ),
    ).toMatchObject({ code: "NameTakenError" });
    // The order to start it was lost with the head; it is given again, with the arguments.
    expect(await started.promise).toBe("a-1 1 arguments");
  }, 20_000);
}

test("an actor that runs on stays, and its name is free again once it is killed", async () => {
  await using head = new TestHead();
  await head.start();
  const statuses: ActorStatus[] = [];
  const node = await head.join("n-1", {
    handlers: {
      startActor: () => ({}),
      actorStatus: ({ status }) => void statuses.push(status),
    },
  });
  const jobId = await addJob(node);
  const spec = actorSpec("a-1", jobId, { name: "counter" });
  await node.request("createActor", { spec, getIfExists: false }, []);
  node.notify("watchActors", { actorIds: [spec.actorId] });
  const running = { nodeId: "n-1" as NodeId, workerId: "w-1" as ProcessId, socketPath: "/s", pid: 7 };
  await node.request("actorStarted", {
    actorId: spec.actorId,
    incarnation: 1,
    ...running,
    failed: false,
    message: "",
  });
  await until(() => statuses.some((status) => status.state === "ALIVE"));
  await head.kill();
  await head.start();
  const alive: ActorStatus = {
    actorId: spec.actorId,
    state: "ALIVE",
    incarnation: 1,
    ...running,
    restartsLeft: 1,
    deathCause: null,
  };
  const again = await head.join("n-1", { registration: { drivers: drivers(jobId), actors: [alive] } });
  const rows = (await again.request("list", { kind: "actors" })).result.rows;
  expect(rows).toMatchObject([{ actorId: "a-1", state: "ALIVE", name: "counter" }]);
  await again.request("killActor", { actorId: spec.actorId, noRestart: true });
  await again.request("createActor", {
    spec: actorSpec("a-2", jobId, { name: "counter" }),
    getIfExists: false,
  }, []);
});

test("the error of a constructor that failed is told to watchers, also by the next head", async () => {
  await using head = new TestHead();
  await head.start();
  const node = await head.join("n-1", { handlers: { startActor: () => ({}) } });
  const jobId = await addJob(node);
  const actorId = "a-1" as ActorId;
  await node.request("createActor", { spec: actorSpec("a-1", jobId), getIfExists: false }, [
    bytes("arguments"),
  ]);
  const where = { nodeId: "n-1" as NodeId, workerId: "w-1" as ProcessId, socketPath: "/s", pid: 7 };
  await node.request("actorStarted", { actorId, incarnation: 1, ...where, failed: true, message: "no" }, [
    bytes("error"),
  ]);
  await head.kill();
  await head.start();
  const told = Promise.withResolvers<string>();
  const again = await head.join("n-1", {
    registration: { drivers: drivers(jobId) },
    handlers: {
      actorStatus: ({ status }, sections) =>
        told.resolve(`${status.state} ${status.deathCause?.code} ${new TextDecoder().decode(sections[0])}`),
    },
  });
  again.notify("watchActors", { actorIds: [actorId] });
  expect(await told.promise).toBe("DEAD CREATION_FAILED error");
});

test("an object's location wakes who waits for it; freeing it tells the holder to delete it", async () => {
  await using head = new TestHead();
  await head.start();
  const deleted = Promise.withResolvers<ObjectId[]>();
  const holder = await head.join("n-1", { handlers: { deleteObjects: ({ ids }) => deleted.resolve(ids) } });
  const getter = await head.join("n-2");
  const id = "o-1-1.0" as ObjectId;
  const home = "n-1" as NodeId;
  const object: ObjectReport = { id, bytes: 64, home, owner: DRIVER, isError: false, primary: true };
  const waiting = getter.request("locateObject", { requestId: "q1", id, home, wait: true });
  await holder.request("reportObjects", { nodeId: home, added: [object], removed: [] });
  expect((await waiting).result).toEqual({ nodes: [home], bytes: 64, isError: false, waited: true });
  const none = await getter.request("locateObject", {
    requestId: "q2",
    id: "o-x" as ObjectId,
    home,
    wait: false,
  });
  expect(none.result.nodes).toEqual([]);
  await holder.request("freeObjects", { ids: [id] });
  expect(await deleted.promise).toEqual([id]);
});

test("who was told where an object was made hears that it died there unreported", async () => {
  await using head = new TestHead();
  await head.start();
  const getter = await head.join("n-1");
  const maker = await head.join("n-2");
  const [home, at] = ["n-1", "n-2"] as NodeId[];
  const ask = (requestId: string, told: { at?: NodeId | undefined }) =>
    getter.request("locateObject", {
      requestId,
      id: "o-1-1.0" as ObjectId,
      home: home!,
      wait: true,
      ...told,
    });
  const codes = [ask("q1", { at }), ask("q2", {})].map((hint) =>
    hint.then(() => "found", (error: { code?: string }) => error.code)
  );
  // The head ends the connection with the node's life.
  await maker.request("unregisterNode", { nodeId: at!, epoch: 1, reason: "it left" }).catch(() => undefined);
  await getter.request("objectsMadeAt", { at: at!, ids: ["o-1-1.0" as ObjectId] });
  expect(await Promise.all(codes)).toEqual(["ObjectLostError", "ObjectLostError"]);
});

test("the global scheduler picks where the argument lies and says why; nobody else's request is answered", async () => {
  await using head = new TestHead();
  await head.start();
  const asker = await head.join("n-1");
  const other = await head.join("n-2");
  const jobId = await addJob(asker);
  const arg = { id: "o-9-1.0" as ObjectId, home: "n-2" as NodeId, bytes: 64_000_000 };
  await other.request("reportObjects", {
    nodeId: "n-2" as NodeId,
    added: [{ ...arg, owner: DRIVER, isError: false, primary: true }],
    removed: [],
  });
  const request: LeaseRequest = { ...leaseRequest(jobId), args: [arg] };
  const { result } = await asker.request("pickNode", { request, exclude: [] });
  expect(result.nodeId).toBe("n-2" as NodeId);
  expect(result.steps).toMatchObject([{ step: 4, name: "globalPick", taskId: "t-1-1" }]);
  expect(result.steps[0]!.detail).toContain("n-1");
});

test("pending demand is one row a shape, with the head's reason and the agents' count; the driver is warned once", async () => {
  await using head = new TestHead();
  await head.start();
  const warned = Promise.withResolvers<string>();
  const node = await head.join("n-1", { handlers: { message: ({ text }) => warned.resolve(text) } });
  const jobId = await addJob(node);
  const resources = { GPU: 10_000 };
  const request: LeaseRequest = { ...leaseRequest(jobId), resources };
  const pick = node.request("pickNode", { request, exclude: [] });
  expect(await warned.promise).toContain("GPU 1");
  const beats = await head.connect({ purpose: "heartbeat" });
  beats.notify("heartbeat", {
    nodeId: "n-1" as NodeId,
    epoch: 1,
    sequence: 1,
    available: { CPU: 5_000 },
    demand: [{ name: "sum", resources, count: 40, reason: "another node is looked for" }],
    storeUsedBytes: 0,
    storeObjects: 0,
    storeSpilledBytes: 0,
    workers: 0,
    cpuPercent: 0,
    rssBytes: 0,
    queueLength: 0,
    queueWaitMs: 0,
    bandwidth: {},
  });
  const cli = await head.connect({ role: "cli", id: "cli" });
  const info = async () => (await cli.request("clusterInfo", {})).result;
  await until(async () => (await info()).nodes[0]!.available["CPU"] === 5_000);
  const { demand } = await info();
  expect(demand).toMatchObject([{ name: "sum", resources, count: 40 }]);
  expect(demand[0]!.reason).toContain("no node has");
  // Cancelled: answered, and no demand any more.
  node.notify("cancelPick", { submitter: request.submitter, requestId: request.requestId });
  expect((await failure(pick)).code).toBe("TaskCancelledError");
});

test("task history is listed, traced and kept over a restart", async () => {
  await using head = new TestHead();
  await head.start();
  const node = await head.join();
  const row: TaskRow = {
    taskId: "t-1-1" as never,
    attempt: 0,
    jobId: "j-1" as JobId,
    name: "add",
    type: "NORMAL_TASK",
    state: "FAILED",
    parentTaskId: null,
    actorId: null,
    nodeId: "n-1" as NodeId,
    workerId: "w-1" as ProcessId,
    submittedMs: 1_000.25,
    pushedMs: null,
    startMs: null,
    endMs: 2_000,
    args: [],
    resultBytes: 0,
    error: { type: "TypeError", message: "no ".repeat(5_000) },
  };
  const counts = {
    name: "add",
    type: "NORMAL_TASK",
    pendingArgs: 0,
    pendingNode: 0,
    submitted: 0,
    running: 0,
    finished: 6,
    failed: 1,
    runMs: 12.5,
  } as const;
  const step = {
    taskId: row.taskId,
    journey: "submit",
    step: 7,
    name: "push",
    nodeId: null,
    processId: null,
    atMs: 5,
    detail: "to w-1",
  } as const;
  const batch = {
    processId: "d-1",
    nodeId: "n-1" as NodeId,
    jobId: "j-1" as JobId,
    sequence: 3,
    counts: [counts],
    edges: [],
    rows: [row],
    steps: [step],
    rowsDropped: 0,
  };
  await node.request("taskEvents", { batches: [batch] });
  // A row that is none must not hurt what comes with it.
  const broken = {
    ...batch,
    processId: "d-2",
    sequence: 1,
    counts: [],
    steps: [],
    rows: [{ ...row, taskId: "t-2-1", submittedMs: "soon", error: null, args: undefined }],
  };
  await node.request("taskEvents", { batches: [broken as never] });
  const seen = async (link: Link) =>
    (await link.request("list", { kind: "tasks", filters: ["state=FAILED"] })).result.rows;
  expect(await seen(node)).toContainEqual(expect.objectContaining({ taskId: "t-1-1", name: "add" }));
  await head.kill("SIGTERM");
  await head.start();
  const again = await head.join();
  expect(await seen(again)).toContainEqual(expect.objectContaining({ taskId: "t-1-1", name: "add" }));
  expect((await again.request("trace", { taskId: row.taskId })).result.steps).toMatchObject([{
    name: "push",
    detail: "to w-1",
  }]);
});

test("a wrong token, a driver, an unregistered and a fenced node are refused", async () => {
  await using head = new TestHead();
  await head.start();
  expect(await failure(head.connect({ token: "guess" }))).toMatchObject({ code: "AuthenticationError" });
  expect(await failure(head.connect({ clusterId: "c-other" }))).toMatchObject({
    code: "AuthenticationError",
  });
  expect(await failure(head.connect({ role: "driver", id: "d-1" }))).toMatchObject({
    code: "AuthenticationError",
  });
  const stranger = await head.connect({ id: "n-9" });
  expect(await failure(stranger.request("kvPut", { key: "k", overwrite: true }, [bytes("x")]))).toMatchObject(
    {
      code: "NodeDiedError",
    },
  );
  expect(await failure(stranger.request("registerNode", registration("n-8")))).toMatchObject({
    code: "AuthenticationError",
  });
  expect((await failure(stranger.request("stopCluster", { reason: "no" }))).message).toContain("no method");
  const shutdown = Promise.withResolvers<string>();
  await head.join("n-1", { handlers: { shutdown: ({ reason }) => shutdown.resolve(reason) } });
  // The agent was started anew: the old incarnation is fenced and told to end.
  await head.join("n-1", { registration: { epoch: 2 } });
  expect(await shutdown.promise).toContain("epoch 2");
  const old = await head.connect({ id: "n-1", epoch: 1 });
  expect(await failure(old.request("registerNode", registration("n-1")))).toMatchObject({
    code: "NodeDiedError",
  });
});

test("a registration that is none is refused with the field's name, and the head goes on", async () => {
  await using head = new TestHead();
  await head.start();
  const node = await head.connect();
  const bad: [Record<string, unknown>, string][] = [
    [{ hostname: { toString: 1 } }, "hostname"],
    [{ resources: { CPU: "many" } }, "resources CPU"],
    [{ resources: { CPU: -1 } }, "resources CPU"],
    [{ resources: [] }, "resources"],
    [{ labels: { zone: 3 } }, "label zone"],
    [{ objects: null }, "objects"],
    [{ pid: 1.5 }, "pid"],
  ];
  for (const [fields, name] of bad) {
    const error = await failure(node.request("registerNode", { ...registration("n-1"), ...fields } as never));
    expect([name, error.message]).toEqual([name, expect.stringContaining(`registerNode: ${name}`)]);
  }
  await node.request("registerNode", registration("n-1"));
});

test("the command line sees nodes and demand, and stops the cluster; nobody is left", async () => {
  await using head = new TestHead();
  await head.start();
  const told = Promise.withResolvers<string>();
  await head.join("n-1", { handlers: { shutdown: ({ reason }) => told.resolve(reason) } });
  const cli = await head.connect({ role: "cli", id: "cli" });
  const info = (await cli.request("clusterInfo", {})).result;
  expect(info).toMatchObject({
    clusterId: head.ready.clusterId,
    address: head.ready.address,
    sessionDir: head.sessionDir,
  });
  expect(info.nodes).toMatchObject([{ nodeId: "n-1", state: "ALIVE", resources: { CPU: 20_000 } }]);
  expect(info).toMatchObject({ storeWaiting: null, historyDropped: 0 });
  expect(info.store).toContain("gcs.db");
  expect((await failure(cli.request("createActor", {} as never))).message).toContain("no method");
  await cli.request("stopCluster", { reason: "the test says so" });
  expect(await told.promise).toBe("the test says so");
  expect(await head.ended()).toBe(0);
});

test("a node that goes silent becomes suspect at once when its connection closes, and others hear of it", async () => {
  await using head = new TestHead();
  await head.start();
  const states: string[] = [];
  await head.join("n-1", {
    handlers: {
      nodesChanged: ({ nodes }: { nodes: NodeRow[] }) =>
        void states.push(nodes.map((node) => `${node.nodeId} ${node.state}`).join()),
    },
  });
  const other = await head.join("n-2");
  other.close();
  await until(() => states.includes("n-1 ALIVE,n-2 SUSPECT"));
});

test("a head whose store process dies ends with code 70, and the next one goes on", async () => {
  await using head = new TestHead();
  await head.start();
  const node = await head.join();
  await node.request("kvPut", { key: "k", overwrite: true }, [bytes("v")]);
  process.kill(childOf(head.pid, "store_process"), "SIGKILL");
  expect(await head.ended()).toBe(70);
  await head.start();
  const again = await head.join();
  expect((await again.request("kvGet", { key: "k" })).result).toEqual({ found: true });
});

test("a head that cannot have its store says why instead of being ready, and leaves nothing running", async () => {
  await using head = new TestHead();
  mkdirSync(join(head.sessionDir, "store"));
  writeFileSync(join(head.sessionDir, "store", "gcs.db"), "no database ".repeat(1_000));
  const error = await failure(head.start());
  expect(error.message).toContain("corrupt");
  expect(error.message).toContain("gcs.db");
});

test("an embedded head takes its folder with it when its driver is gone", async () => {
  await using head = new TestHead({ ephemeral: true });
  await head.start();
  await head.orphan();
  expect(existsSync(join(head.sessionDir, "token"))).toBe(false);
});

testUnless(skipReason("sqld"))(
  "on a libSQL server: kill -9 of the head, then of the server, loses nothing and stops nobody",
  async () => {
    const folder = new TestHead();
    let server = await startSqld({ dir: folder.sessionDir, name: "primary" });
    await using head = new TestHead({ store: server.url });
    try {
      await head.start();
      const node = await head.join();
      const jobId = await addJob(node);
      await node.request("kvPut", { key: "k", overwrite: true }, [bytes("v")]);
      await head.kill();
      await head.start();
      const again = await head.join("n-1", { registration: { drivers: drivers(jobId) } });
      expect((await again.request("kvGet", { key: "k" })).result).toEqual({ found: true });
      await server.kill();
      let isAcknowledged = false;
      const late = again.request("kvPut", { key: "late", overwrite: true }, [bytes("v")]).then(() =>
        isAcknowledged = true
      );
      // What needs no commit goes on meanwhile.
      const id = "o-1-1.0" as ObjectId;
      const home = "n-1" as NodeId;
      await again.request("reportObjects", {
        nodeId: home,
        added: [{ id, bytes: 1, home, owner: DRIVER, isError: false, primary: true }],
        removed: [],
      });
      expect((await again.request("locateObject", { requestId: "q", id, home, wait: true })).result.nodes)
        .toEqual([home]);
      expect(isAcknowledged).toBe(false);
      server = await startSqld({ dir: folder.sessionDir, name: "primary", ports: server.ports });
      await late;
    } finally {
      await server.kill();
      await folder[Symbol.asyncDispose]();
    }
  },
  30_000,
);
