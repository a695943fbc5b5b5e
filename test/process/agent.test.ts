/**
 * Goal: an agent does with real processes what its local scheduler decides, and survives what kills the others. Method:
 * a real head, real agents and workers; drivers that speak the protocol.
 */
import { describe, test } from "bun:test";
import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import type { NodeId, ProcessId } from "../../runtime/common/ids.ts";
import type { HeadMethods } from "../../runtime/protocol/messages.ts";
import { waitFor } from "../support/wait_for.ts";
import { childrenOf, exitOf, gone, RUNTIMES, TestCluster } from "./agent_fixture.ts";

async function oneNode(options: Parameters<TestCluster["startAgent"]>[0] = {}): Promise<TestCluster> {
  const cluster = await new TestCluster().startHead();
  await cluster.startAgent(options);
  return cluster;
}

describe("leases", () => {
  for (const runtime of RUNTIMES) {
    test(`an agent and its workers under ${runtime} grant, take back and grant again`, async () => {
      await using cluster = await oneNode({ runtime, workerRuntime: runtime, numCpus: 1 });
      const driver = await cluster.attach(cluster.agents[0]!.ready);
      const first = await driver.lease();
      assert.equal(first.nodeId, driver.nodeId);
      assert(existsSync(first.socketPath), "the worker listens on its socket");
      driver.giveBack(first);
      const second = await driver.lease();
      assert.equal(second.workerId, first.workerId);
      assert.notEqual(second.leaseId, first.leaseId);
    });
  }

  test("a cancelled request is answered as cancelled", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    await driver.lease();
    const waiting = driver.rpc.request("requestLease", driver.leaseRequest({ requestId: "c1" }));
    driver.rpc.notify("cancelLease", { requestId: "c1" });
    assert.deepEqual((await waiting).result, { cancelled: true });
  });

  test("a killed worker is told with its cause, and its resources serve the next request", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    const lease = await driver.lease();
    const [pid] = childrenOf(cluster.agents[0]!.ready.pid);
    process.kill(pid!, "SIGKILL");
    const lost = await driver.hears("leaseLost");
    assert.equal(lost.leaseId, lease.leaseId);
    assert.equal(lost.cause.code, "WORKER_DIED");
    assert.match(lost.cause.message, /SIGKILL/);
    const { workerId, nodeId } = lease;
    const { result } = await driver.rpc.request("workerFate", { workerId, nodeId });
    assert.deepEqual(result, { alive: false, cause: lost.cause });
    assert.notEqual((await driver.lease()).workerId, workerId);
  });

  test("an idle lease is asked back when another driver waits", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const [agent] = cluster.agents;
    const holder = await cluster.attach(agent!.ready);
    const other = await cluster.attach(agent!.ready);
    const lease = await holder.lease();
    const waiting = other.lease();
    assert.deepEqual(await holder.hears("reclaimLease"), { leaseId: lease.leaseId });
    holder.giveBack(lease);
    // A worker of one job never serves another.
    assert.notEqual((await waiting).workerId, lease.workerId);
  });

  test("a driver that goes away takes its leased workers along, and the node is free again", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const [agent] = cluster.agents;
    const driver = await cluster.attach(agent!.ready);
    await driver.lease();
    const [pid] = childrenOf(agent!.ready.pid);
    await driver.close();
    await gone(pid!);
    const next = await cluster.attach(agent!.ready);
    await next.lease();
  });

  test("nonsense is refused and harms nobody", async () => {
    await using cluster = await oneNode();
    const [agent] = cluster.agents;
    const driver = await cluster.attach(agent!.ready);
    await assert.rejects(driver.lease({ quantities: { CPU: -1 } }), /CPU is -10000 units/);
    await assert.rejects(driver.lease({ submitter: "d-other" as ProcessId }), /cannot lease for d-other/);
    await assert.rejects(
      driver.rpc.request("head", { method: "registerNode", params: {} }),
      /not for processes/,
    );
    await assert.rejects(cluster.attach(agent!.ready, { token: "wrong" }), { code: "AuthenticationError" });
    await driver.lease();
  });
});

describe("two nodes", () => {
  test("what does not fit here is granted by the other node, and its end is told across", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const there = await cluster.startAgent({ numCpus: 1 });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    const here = await driver.lease();
    const spilled = await driver.lease();
    assert.deepEqual([here.nodeId, spilled.nodeId], [driver.nodeId, there.nodeId]);
    // A push connection to it goes through both agents.
    await driver.rpc.request("openRelay", {
      relayId: "x:1",
      nodeId: spilled.nodeId,
      workerId: spilled.workerId,
    });
    const [pid] = childrenOf(there.pid);
    process.kill(pid!, "SIGKILL");
    assert.deepEqual(await driver.hears("closeRelay"), { relayId: "x:1" });
    assert.equal((await driver.hears("leaseLost")).leaseId, spilled.leaseId);
  });

  test("a request that waits at one node takes what comes free at another", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    await cluster.startAgent({ numCpus: 1 });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    const far = cluster.agents[1]!.ready.nodeId as NodeId;
    const leases = [await driver.lease(), await driver.lease()];
    assert.deepEqual(leases.map(({ nodeId }) => nodeId), [driver.nodeId, far]);
    const waiting = driver.lease({ strategy: { type: "nodeAffinity", nodeId: far, soft: true } });
    await waitFor("it waits there", async () => {
      const { result } = await driver.rpc.request("head", { method: "nodes", params: {} });
      const { nodes } = result as HeadMethods["nodes"]["result"];
      return nodes.find(({ nodeId }) => nodeId === far)!.demand.length > 0;
    });
    driver.giveBack(leases[0]!);
    assert.equal((await waiting).nodeId, driver.nodeId);
  }, 20_000);

  test("a driver's death frees what another node leased to it", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const there = await cluster.startAgent({ numCpus: 1, custom: { there: 1 } });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    await driver.lease({ quantities: { CPU: 1, there: 1 } });
    const [pid] = childrenOf(there.pid);
    await driver.close();
    await gone(pid!);
    const next = await cluster.attach(cluster.agents[0]!.ready);
    const again = await next.lease({ quantities: { CPU: 1, there: 1 } });
    assert.equal(again.nodeId, there.nodeId);
  });

  test("a node that dies loses its leases to others, with that reason", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const there = await cluster.startAgent({ custom: { there: 1 } });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    const lease = await driver.lease({ quantities: { there: 1 } });
    const workers = childrenOf(there.pid);
    await cluster.kill(cluster.agents[1]!);
    const lost = await driver.hears("leaseLost");
    assert.deepEqual([lost.leaseId, lost.cause.code], [lease.leaseId, "NODE_DIED"]);
    // Workers do not outlive their agent, however it ended.
    for (const pid of workers) await gone(pid);
  });

  test("what no node has waits, with a reason, and starts when a node with it joins", async () => {
    await using cluster = await oneNode();
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    const waiting = driver.lease({ quantities: { rare: 1 } });
    // A round trip behind the request.
    await driver.rpc.request("head", { method: "kvList", params: { prefix: "" } });
    const joined = await cluster.startAgent({ custom: { rare: 1 } });
    assert.equal((await waiting).nodeId, joined.nodeId);
  });

  test("a driver elsewhere, attached by the port, reaches workers through its agent", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const driver = await cluster.attach(cluster.agents[0]!.ready, { remote: true });
    const { nodeId, workerId } = await driver.lease();
    await driver.rpc.request("openRelay", { relayId: "x:1", nodeId, workerId });
    driver.rpc.notify("closeRelay", { relayId: "x:1" });
    await assert.rejects(
      driver.rpc.request("openRelay", { relayId: "x:2", nodeId, workerId: "w-none" as ProcessId }),
      { code: "WorkerCrashedError" },
    );
  });
});

describe("a head that dies", () => {
  test("is given up after MOBULA_GCS_REQUEST_TIMEOUT_MS with an error that names it; leases go on", async () => {
    await using cluster = await new TestCluster().startHead();
    process.env["MOBULA_GCS_REQUEST_TIMEOUT_MS"] = "200";
    const agent = await cluster.startAgent().finally(() =>
      delete process.env["MOBULA_GCS_REQUEST_TIMEOUT_MS"]
    );
    const driver = await cluster.attach(agent);
    await cluster.kill(cluster.head);
    await assert.rejects(driver.rpc.request("head", { method: "nodes", params: {} }), {
      code: "HeadUnavailable",
      message: /^The head at 127\.0\.0\.1:\d+ has been away for 200 ms \(MOBULA_GCS_REQUEST_TIMEOUT_MS\)/,
    });
    driver.giveBack(await driver.lease());
  });

  test("is waited for: leases go on meanwhile, and what was asked of it is answered by the next one", async () => {
    await using cluster = await oneNode({ numCpus: 1 });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    const { rpc } = driver;
    await rpc.request("head", { method: "kvPut", params: { key: "a", overwrite: true } }, [
      new Uint8Array([1]),
    ]);
    await cluster.kill(cluster.head);
    driver.giveBack(await driver.lease());
    const code = new TextEncoder().encode("() => 1");
    const exported = rpc.request("exportFunction", { hash: "h1", kind: "function", name: "one" }, [code]);
    const put = rpc.request("head", { method: "kvPut", params: { key: "b", overwrite: true } }, [
      new Uint8Array([2]),
    ]);
    const late = cluster.attach(cluster.agents[0]!.ready);
    await cluster.startHead();
    await exported;
    await put;
    await (await late).lease();
    for (const [key, value] of [["a", 1], ["b", 2]]) {
      const { result, sections } = await rpc.request("head", { method: "kvGet", params: { key } });
      assert.deepEqual([result, [...sections[0]!]], [{ found: true }, [value]]);
    }
    const { sections } = await rpc.request("fetchFunction", { hash: "h1" });
    assert.equal(new TextDecoder().decode(sections[0]), "() => 1");
  });
});

describe("the end", () => {
  test("an agent whose lifeline is cut ends its workers and leaves no socket and no shared memory", async () => {
    await using cluster = await oneNode();
    const { process: child, ready } = cluster.agents[0]!;
    const driver = await cluster.attach(ready);
    const { socketPath } = await driver.lease();
    const workers = childrenOf(ready.pid);
    assert.equal(workers.length, 1);
    child.stdin!.end();
    await exitOf(child);
    for (const pid of workers) await gone(pid);
    assert.deepEqual([existsSync(socketPath), existsSync(ready.socketPath)], [false, false]);
  });

  test("workers that a killed agent left in the middle of their work are ended by the node's next agent", async () => {
    await using cluster = await oneNode({ nodeId: "n-0123456789abcdef" });
    const driver = await cluster.attach(cluster.agents[0]!.ready);
    await driver.lease();
    const [pid] = childrenOf(cluster.agents[0]!.ready.pid);
    // A stopped process is as deaf as one that computes.
    process.kill(pid!, "SIGSTOP");
    await cluster.kill(cluster.agents[0]!);
    await cluster.startAgent({ nodeId: "n-0123456789abcdef" });
    await gone(pid!);
  });

  test("an agent that the head has fenced ends with a code that has it started again, one that is asked to with 0", async () => {
    const nodeId = "n-0123456789abcdef";
    await using cluster = await oneNode({ nodeId });
    const [first] = cluster.agents;
    // A second incarnation takes its place, as after a time out of reach.
    const newer = await cluster.startAgent({ nodeId, sessionDir: cluster.folderFor("newer") });
    await exitOf(first!.process);
    assert.equal(first!.process.exitCode, 75);
    const second = cluster.agents[1]!;
    assert.equal(second.ready.pid, newer.pid);
    await cluster.kill(second, "SIGTERM");
    assert.equal(second.process.exitCode, 0);
  });

  test("an agent that cannot reach a head says so and ends", async () => {
    await using cluster = await new TestCluster().startHead();
    await assert.rejects(
      cluster.startAgent({ headAddress: "127.0.0.1:1" }),
      /Cannot start agent: .*127\.0\.0\.1:1/,
    );
  });
});
