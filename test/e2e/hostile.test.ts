/** Strangers and broken peers at every port of a running cluster: refused, and nobody else notices. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2Session } from "node:http2";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { AuthenticationError, get, type HandleOf, init, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { PROTOCOL_VERSION } from "../../runtime/common/config.ts";
import type { Connection } from "../../runtime/io/transport/connection.ts";
import { connectHttp2 } from "../../runtime/io/transport/http2_client.ts";
import { connectUnix } from "../../runtime/io/transport/unix.ts";
import type { AgentConfig } from "../../runtime/process/config.ts";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { startProcess } from "../../runtime/process/start_process.ts";
import { encodeFrame, FRAME_PREFIX_BYTES, FrameType } from "../../runtime/protocol/frames.ts";
import type { Hello } from "../../runtime/protocol/messages.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive, rejection } from "../support/processes.ts";
import { runtimeCommand } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
let cluster: LocalCluster;
let counter: HandleOf<typeof Counter>;
let counted = 0;
let processes: number[] = [];

const Counter = remote(
  class Counter {
    count = 0;
    increment(): number {
      return ++this.count;
    }
    pid(): number {
      return process.pid;
    }
  },
);
const echo = remote((value: Uint8Array) => value.length);

beforeAll(async () => {
  await init({ numCpus: 2, objectStoreBytes: 32 << 20 });
  cluster = currentDriver()!.local!;
  counter = Counter.remote();
  processes = [cluster.head.ready.pid, cluster.agents[0]!.ready.pid, await get(counter.pid.remote())];
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** Tasks, stored values and the actor are as before, in the same processes. */
async function expectUnharmed(): Promise<void> {
  expect(await get(counter.increment.remote())).toBe(++counted);
  expect(await get(echo.remote(new Uint8Array(200_000)))).toBe(200_000);
  expect(processes.filter((pid) => !isAlive(pid))).toEqual([]);
}

interface Door {
  readonly name: string;
  /** What a welcome guest says here. */
  readonly hello: Partial<Hello>;
  readonly open: (hello: Hello) => Promise<Connection>;
  readonly raw: () => Promise<Duplex>;
}

function httpDoor(name: string, address: () => string, path: string, hello: Partial<Hello>): Door {
  return {
    name,
    hello,
    open: (hello) => connectHttp2({ address: address(), path: path as "/control", hello }),
    raw: async () => {
      const session = connectHttp2Session(`http://${address()}`);
      session.on("error", () => undefined);
      const stream = session.request({ ":method": "POST", ":path": path });
      stream.on("error", () => undefined).on("close", () => session.destroy());
      await once(session, "connect");
      return stream;
    },
  };
}

function socketDoor(name: string, path: () => string, hello: Partial<Hello>): Door {
  return {
    name,
    hello,
    open: (hello) => connectUnix({ path: path(), hello }),
    raw: async () => {
      const socket = connectSocket(path());
      socket.on("error", () => undefined);
      await once(socket, "connect");
      return socket;
    },
  };
}

const head = () => cluster.address;
const agent = () => cluster.agents[0]!.ready.address;
const agentSocket = () => cluster.agents[0]!.ready.socketPath;
const workerSocket = () => {
  const folder = join(agentSocket(), "..");
  return join(folder, readdirSync(folder).find((name) => name.startsWith("w-"))!);
};
const push = { role: "driver", purpose: "push", nodeId: "n-1" } as Partial<Hello>;
const DOORS = [
  httpDoor("the head's control port", head, "/control", { role: "cli", id: "cli-1" }),
  httpDoor("the agent's port", agent, "/control", { role: "driver" }),
  socketDoor("the agent's socket", agentSocket, { role: "driver" }),
  socketDoor("a worker's socket", workerSocket, push),
];

let guests = 0;
function helloFor(door: Door, changes: Partial<Hello> = {}): Hello {
  return {
    version: PROTOCOL_VERSION,
    token: cluster.token,
    role: "driver",
    id: `d-guest${++guests}`,
    clusterId: null,
    epoch: 0,
    pid: process.pid,
    runtime: "bun",
    purpose: "control",
    ...door.hello,
    ...changes,
  };
}

/** Write bytes; resolves when the other end has closed. */
async function closesAfter(door: Door, ...chunks: Uint8Array[]): Promise<void> {
  const pipe = await door.raw();
  let isClosed = false;
  pipe.on("close", () => isClosed = true).on("end", () => isClosed = true).resume();
  for (const chunk of chunks) if (!pipe.destroyed) pipe.write(chunk);
  await waitFor(`${door.name} closes`, () => isClosed);
  pipe.destroy();
}

function frame(type: number, header: string): Uint8Array {
  const parts = encodeFrame(type, 0, new TextEncoder().encode(header), []);
  return Buffer.concat(Array.isArray(parts) ? parts : [parts]);
}

for (const door of DOORS) {
  describe(door.name, () => {
    test("refuses a wrong token, none, and another cluster's processes, and says so", async () => {
      for (const token of ["", "x".repeat(64), `${cluster.token}0`]) {
        expect(await rejection(door.open(helloFor(door, { token })))).toBeInstanceOf(AuthenticationError);
      }
      const foreign = await rejection(door.open(helloFor(door, { clusterId: "another" })));
      expect(foreign).toBeInstanceOf(AuthenticationError);
      expect(foreign.message).toContain("another");
      expect((await rejection(door.open(helloFor(door, { version: 999 })))).message).toContain("999");
      await expectUnharmed();
    });

    test("closes on what is no frame, a frame too long, and one out of turn; others live", async () => {
      const noise = crypto.getRandomValues(new Uint8Array(256));
      noise[3] = 0xff; // In whichever byte order: far too long.
      noise[0] = 0xff;
      await closesAfter(door, noise);
      const long = new Uint8Array(FRAME_PREFIX_BYTES).fill(0x7f);
      await closesAfter(door, long);
      const hello = frame(FrameType.hello, JSON.stringify(helloFor(door)));
      await closesAfter(door, frame(FrameType.hello, "{not json"));
      await closesAfter(door, frame(FrameType.request, "{}"));
      await closesAfter(door, hello, noise);
      await closesAfter(door, hello, frame(FrameType.hello, JSON.stringify(helloFor(door))));
      // Half a frame, and gone.
      const pipe = await door.raw();
      pipe.write(hello.subarray(0, 7));
      pipe.destroy();
      await expectUnharmed();
    });
  });
}

test("an agent with another cluster's token cannot start, and says why", async () => {
  const sessionDir = join(leftovers.folder, "stranger");
  mkdirSync(sessionDir, { mode: 0o700 });
  writeFileSync(join(sessionDir, "token"), "f".repeat(64), { mode: 0o600 });
  const config: AgentConfig = {
    sessionDir,
    headAddress: cluster.address,
    host: "127.0.0.1",
    port: 0,
    resources: { numCpus: 1, numGpus: 0, resources: {}, labels: {} },
    objectStoreBytes: 16 << 20,
    objectStoreDir: null,
    spillDir: null,
    runtime: "bun",
    workerRuntime: "bun",
    isHeadNode: false,
    lifeline: true,
    prestart: 0,
  };
  expect((await rejection(startProcess("agent_main.ts", config))).message).toContain("token");
  rmSync(sessionDir, { recursive: true });
  await expectUnharmed();
});

test("the HTTP API answers nothing without the token but its health check", async () => {
  const base = new URL(cluster.dashboardUrl!).origin;
  const status = async (path: string, token?: string): Promise<number> => {
    const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
    const answer = await fetch(`${base}${path}`, headers && { headers });
    await answer.body?.cancel();
    return answer.status;
  };
  expect(await status("/healthz")).toBe(200);
  for (const path of ["/api/v1/nodes", "/api/v1/stream", "/api/v1/trace/t-1"]) {
    expect([await status(path), await status(path, "wrong")]).toEqual([401, 401]);
  }
  expect(await status("/api/v1/nodes", cluster.token)).toBe(200);
});

test("a shared-memory folder too small for the store: clamped, with a warning that the driver hears", async () => {
  const { code, out, error } = await run(join(import.meta.dirname, "programs/clamped.ts"));
  expect({ code, out }).toEqual({ code: 0, out: "1000000\n" });
  expect(error.match(/warning: The object store is \d+ bytes instead of 70368744177664/g)).toHaveLength(1);
});

async function run(path: string): Promise<{ code: number; out: string; error: string }> {
  const child = spawn(runtimeCommand("bun", path)[0]!, [path], { stdio: ["ignore", "pipe", "pipe"] });
  const texts = { out: "", error: "" };
  child.stdout.on("data", (chunk: Uint8Array) => texts.out += chunk);
  child.stderr.on("data", (chunk: Uint8Array) => texts.error += chunk);
  const [code] = await once(child, "close") as [number];
  return { code, ...texts };
}
