/**
 * Clusters by the command line, as a user runs them: real head, agents and supervisors. Each test has a session folder of
 * its own, and any free ports.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ClusterFile } from "../../runtime/process/config.ts";
import { CliSession } from "../support/cli.ts";
import { runtimeCommand } from "../support/run_program.ts";
import { testUnless } from "../support/skip.ts";

interface Status {
  readonly clusterId: string;
  readonly address: string;
  readonly nodes: readonly {
    readonly nodeId: string;
    readonly state: string;
    readonly runtime: string;
    readonly isHeadNode: boolean;
    readonly labels: Record<string, string>;
    readonly resources: Record<string, { used: number; total: number }>;
  }[];
  readonly resources: Record<string, { used: number; total: number }>;
  readonly demand: readonly unknown[];
}
type Started = ClusterFile & { readonly sessionDir: string };

const START = [
  "start",
  "--head",
  "--port",
  "0",
  "--dashboard-port",
  "0",
  "--num-cpus",
  "2",
  "--object-store-bytes",
  "67108864",
];

let session: CliSession;
beforeEach(() => {
  session = new CliSession();
});
afterEach(() => session.end());

/** Asks again until the answer satisfies; what is waited for has no event that reaches this process. */
async function eventually<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isGood(answer)) return answer;
    await delay(50);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Processes whose config names the session: its head, agents, workers, store. */
async function processesOf(sessionDir: string): Promise<number[]> {
  const { readdir, readFile } = await import("node:fs/promises");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const ours = await Promise.all(pids.map(async (pid) => {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    return environment.includes(sessionDir) ? Number(pid) : 0;
  }));
  return ours.filter((pid) => pid !== 0 && isAlive(pid));
}

/** An authority and a certificate for this host, by openssl. */
function makeCertificates(folder: string): { cert: string; key: string; ca: string } {
  const [cert, key, ca, caKey, request] = ["n.pem", "n.key", "ca.pem", "ca.key", "n.csr"].map((name) =>
    join(folder, name)
  );
  const openssl = (...args: string[]) => spawnSync("openssl", args).status === 0;
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const made =
    openssl("req", "-x509", ...newKey, "-keyout", caKey!, "-out", ca!, "-days", "2", "-subj", "/CN=ca") &&
    openssl(...[
      "req",
      ...newKey,
      "-keyout",
      key!,
      "-out",
      request!,
      "-subj",
      "/CN=n",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
    ]) &&
    openssl(...[
      "x509",
      "-req",
      "-in",
      request!,
      "-CA",
      ca!,
      "-CAkey",
      caKey!,
      "-CAcreateserial",
      "-days",
      "2",
    ], ...["-copy_extensions", "copy", "-out", cert!]);
  if (!made) throw new Error("openssl failed");
  return { cert: cert!, key: key!, ca: ca! };
}

test("start, status, a second node, stop: and nothing is left", async () => {
  const started = await session.json<Started>(...START, "--resources", '{"licence":3}');
  expect(started.isHead).toBe(true);
  expect(started.address).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(statSync(session.sessionDir).mode & 0o777).toBe(0o700);
  expect(statSync(join(session.sessionDir, "token")).mode & 0o777).toBe(0o600);

  const one = await session.json<Status>("status");
  expect(one.clusterId).toBe(started.clusterId);
  expect(one.nodes.map(({ state, isHeadNode, runtime }) => ({ state, isHeadNode, runtime }))).toEqual([
    { state: "ALIVE", isHeadNode: true, runtime: "bun" },
  ]);
  expect(one.resources["CPU"]).toEqual({ used: 0, total: 2 });
  expect(one.resources["licence"]).toEqual({ used: 0, total: 3 });
  expect(one.demand).toEqual([]);

  const joined = await session.json<Started>(
    ...["start", "--address", started.address, "--num-cpus", "1", "--labels", '{"zone":"b"}'],
    ...["--object-store-bytes", "67108864", "--runtime", "node"],
  );
  expect({ isHead: joined.isHead, clusterId: joined.clusterId }).toEqual({
    isHead: false,
    clusterId: started.clusterId,
  });
  const two = await eventually(() => session.json<Status>("status"), (status) => status.nodes.length === 2);
  expect(two.resources["CPU"]).toEqual({ used: 0, total: 3 });
  expect(two.nodes.find((node) => node.nodeId === joined.nodeId)).toMatchObject({
    runtime: "node",
    labels: { zone: "b" },
  });

  const text = await session.mobula(["status"]);
  expect(text.out).toContain(started.nodeId);
  expect(text.out).toContain("CPU 0 of 3");
  expect(text.out).toContain("nothing waits");
  expect(await session.json<unknown[]>("ls", "nodes")).toHaveLength(2);

  const wrong = await session.mobula(["stop", "--address", "127.0.0.1:1"]);
  expect(wrong.error).toBe(
    `mobula: stop: nothing of 127.0.0.1:1 runs in this session (${session.sessionDir}), only of ${started.address}`,
  );
  expect((await session.json<Status>("status")).nodes).toHaveLength(2);

  const stopped = await session.json<{ ended: { nodeId: string }[] }>("stop");
  expect(stopped.ended.map((node) => node.nodeId)).toEqual([joined.nodeId, started.nodeId]);
  expect(await processesOf(session.sessionDir)).toEqual([]);
  expect(existsSync(join(session.sessionDir, "cluster.json"))).toBe(false);
  expect(existsSync(join(session.sessionDir, "n"))).toBe(false);
  expect((await session.mobula(["status"])).code).toBe(2);
});

test("a killed head and a killed agent come back, as the same cluster and node", async () => {
  const started = await session.json<Started>(...START);
  const log = () => readFileSync(join(session.sessionDir, "logs", "supervisor.log"), "utf8");
  const pidOf = async (entry: string) => {
    for (const pid of await processesOf(session.sessionDir)) {
      if (readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(entry)) return pid;
    }
    return 0;
  };
  for (const [name, entry] of [["head", "head_main.ts"], ["agent", "agent_main.ts"]] as const) {
    const pid = await pidOf(entry);
    expect(pid).toBeGreaterThan(0);
    process.kill(pid, "SIGKILL");
    await eventually(() => pidOf(entry), (now) => now !== 0 && now !== pid);
    expect(log()).toContain(`${name} died (SIGKILL)`);
    const status = await eventually(
      () => session.json<Status>("status").catch(() => null),
      (status) =>
        status?.nodes.some((node) => node.nodeId === started.nodeId && node.state === "ALIVE") === true,
    );
    expect(status!.clusterId).toBe(started.clusterId);
    expect(status!.address).toBe(started.address);
  }
});

test("a killed supervisor takes its processes with it, and the session is free again", async () => {
  const started = await session.json<Started>(...START);
  expect((await processesOf(session.sessionDir)).length).toBeGreaterThan(2);
  process.kill(started.pid, "SIGKILL");
  await eventually(() => processesOf(session.sessionDir), (pids) => pids.length === 0);
  expect((await session.mobula(["status"])).code).toBe(2);
  expect((await session.json<Started>(...START)).clusterId).toBe(started.clusterId);
});

test("a second cluster in one session is refused, and the first one is unharmed", async () => {
  const started = await session.json<Started>(...START);
  const token = readFileSync(join(session.sessionDir, "token"), "utf8");
  const second = await session.mobula(START);
  expect(second.code).toBe(1);
  expect(second.error).toContain(`A cluster runs here already: ${started.address}`);
  expect(readFileSync(join(session.sessionDir, "token"), "utf8")).toBe(token);
  expect((await session.json<Status>("status")).clusterId).toBe(started.clusterId);
});

test("a wrong token is not let in, and a node with it is not started", async () => {
  const { address } = await session.json<Started>(...START);
  const env = { MOBULA_TOKEN: "wrong" };
  const status = await session.mobula(["status"], { env });
  expect({ code: status.code, error: status.error }).toEqual({
    code: 4,
    error: expect.stringContaining("wrong token"),
  });
  const other = new CliSession();
  try {
    const join = await other.mobula(["start", "--address", address], { env });
    expect({ code: join.code, error: join.error }).toEqual({
      code: 4,
      error: expect.stringContaining("wrong token"),
    });
    expect(await processesOf(other.sessionDir)).toEqual([]);
  } finally {
    await other.end();
  }
});

test("a stopped cluster starts again on its store, with its id and its token", async () => {
  const first = await session.json<Started>(...START);
  const token = readFileSync(join(session.sessionDir, "token"), "utf8");
  await session.mobula(["stop"]);
  const second = await session.json<Started>(...START);
  expect(second.clusterId).toBe(first.clusterId);
  expect(readFileSync(join(session.sessionDir, "token"), "utf8")).toBe(token);
});

const noOpenssl = spawnSync("openssl", ["version"]).status === 0 ? null : "openssl is not installed";

testUnless(noOpenssl)(
  "with TLS files head, agents and command line speak TLS, and strangers without them nothing",
  async () => {
    const certificate = makeCertificates(session.folder);
    const files = ["--tls-cert", certificate.cert, "--tls-key", certificate.key, "--tls-ca", certificate.ca];
    const { address } = await session.json<Started>(...START, ...files);
    await session.json(
      "start",
      "--address",
      address,
      "--num-cpus",
      "1",
      "--object-store-bytes",
      "67108864",
      ...files,
    );
    // The session knows its own files.
    expect((await session.json<Status>("status")).resources["CPU"]).toEqual({ used: 0, total: 3 });
    const stranger = new CliSession();
    try {
      const token = readFileSync(join(session.sessionDir, "token"), "utf8").trim();
      const { code } = await stranger.mobula(["status", "--address", address], {
        env: { MOBULA_TOKEN: token },
      });
      expect(code).toBe(2);
    } finally {
      await stranger.end();
    }
  },
);

test("--block stays in the foreground until it is interrupted, and ends all of it", async () => {
  const [binary, ...rest] = runtimeCommand("bun", join(import.meta.dirname, "../../runtime/cli/main.ts"));
  const child = spawn(binary!, [...rest, ...START, "--block"], {
    env: session.env as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const announced = new Promise<void>((resolve) =>
    child.stdout.on("data", (chunk) => {
      out += chunk;
      if (out.includes("end it")) resolve();
    })
  );
  await Promise.race([announced, ended]);
  expect(out).toContain("Ctrl-C");
  expect((await session.json<Status>("status")).nodes).toHaveLength(1);
  child.kill("SIGINT");
  expect(await ended).toBe(0);
  expect(await processesOf(session.sessionDir)).toEqual([]);
});
