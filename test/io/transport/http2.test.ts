/**
 * HTTP/2 listeners and clients: addresses, time limits, TLS, endings and killed peers.
 * @module
 */
import { expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { PROTOCOL_VERSION } from "../../../runtime/common/config.ts";
import type { ObjectId } from "../../../runtime/common/ids.ts";
import { Gate } from "../../../runtime/io/transport/handshake.ts";
import { parseAddress } from "../../../runtime/io/transport/http2.ts";
import { connectHttp2, openHttp2 } from "../../../runtime/io/transport/http2_client.ts";
import { type Http2Listener, listenHttp2 } from "../../../runtime/io/transport/http2_server.ts";
import { ObjectClient } from "../../../runtime/io/transport/object_client.ts";
import { Rpc } from "../../../runtime/io/transport/rpc.ts";
import { runProgram, RUNTIMES } from "../../support/run_program.ts";
import { CLUSTER, hello, type ServerMethods, TOKEN } from "./peer_methods.ts";
import { startPeerServer } from "./peers.ts";
import { TEST_TLS } from "./tls_fixture.ts";

const gate = new Gate({
  token: TOKEN,
  clusterId: CLUSTER,
  accept: () => ({ version: PROTOCOL_VERSION, clusterId: CLUSTER, id: "x" }),
});

function listen(options: Partial<Parameters<typeof listenHttp2>[0]> = {}): Promise<Http2Listener> {
  return listenHttp2({ port: 0, gate, onConnection: (connection) => void new Rpc(connection), ...options });
}

test("addresses are HOST:PORT, and anything else is named in the error", () => {
  expect(parseAddress("127.0.0.1:6380")).toEqual({ host: "127.0.0.1", port: 6380 });
  expect(parseAddress("[::1]:80")).toEqual({ host: "::1", port: 80 });
  for (
    const address of [
      "",
      "6380",
      ":6380",
      "host",
      "host:",
      "host:port",
      "host:123456",
      "http://host:80",
      "a b:80",
    ]
  ) {
    expect(() => parseAddress(address)).toThrow(`address ${JSON.stringify(address)} is not HOST:PORT`);
  }
  expect(() => parseAddress("host:0")).toThrow("address host:0: port must be in 1 to 65535");
});

test("an address where nobody listens is named at once", async () => {
  const listener = await listen();
  await listener.close();
  const error = await connectHttp2({ address: listener.address, path: "/control", hello: hello("x") })
    .catch((error: unknown) => error);
  expect(error).toMatchObject({
    code: "ConnectError",
    message: expect.stringContaining(`cannot connect to ${listener.address}: `),
  });
});

test("an address that no URL can have is an error of the call alone", async () => {
  const error = await connectHttp2({ address: "%zz:80", path: "/control", hello: hello("x") })
    .catch((error: unknown) => error);
  expect(error).toMatchObject({
    code: "ConnectError",
    message: expect.stringContaining("cannot connect to %zz:80: "),
  });
  // The runner fails the test when its socket's end rejects what nobody waits for.
  await new Promise((resolve) => setImmediate(resolve));
});

for (const runtime of RUNTIMES) {
  test(`a refused connection is called that under ${runtime}`, async () => {
    const listener = await listen();
    await listener.close();
    const port = listener.address.split(":")[1]!;
    const said = await runProgram(runtime, join(import.meta.dirname, "refused_program.ts"), { args: [port] });
    expect(said).toStartWith(`cannot connect to ${listener.address}: `);
    expect(said).toContain("ECONNREFUSED");
  });
}

test("an address where somebody listens and never answers is named after the given time", async () => {
  const sockets: { destroy(): void }[] = [];
  const silent: Server = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const startMs = performance.now();
  const error = await connectHttp2({ address, path: "/control", hello: hello("x"), timeoutMs: 200 })
    .catch((error: unknown) => error);
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect(error).toMatchObject({ code: "ConnectError", message: expect.stringContaining(address) });
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
});

test("a port that is taken is named", async () => {
  const listener = await listen();
  const error = await listen({ port: listener.port }).catch((error: unknown) => error);
  expect(error).toMatchObject({
    code: "ConnectError",
    message: expect.stringContaining(`cannot listen on ${listener.address}`),
  });
  await listener.close();
});

test("an abort while connecting rejects with its reason", async () => {
  const listener = await listen();
  const signal = AbortSignal.abort(new Error("changed my mind"));
  const error = await connectHttp2({ address: listener.address, path: "/control", hello: hello("x"), signal })
    .catch((error: unknown) => error);
  expect(error).toEqual(new Error("changed my mind"));
  await listener.close();
});

test("a TCP connection that authenticates nothing is cut off, one that did stays", async () => {
  const listener = await listen({ helloTimeoutMs: 300 });
  const connection = await connectHttp2({ address: listener.address, path: "/control", hello: hello("x") });
  const idle = await openHttp2({ address: listener.address });
  await new Promise<void>((resolve) => idle.onClose(resolve));
  expect(connection.isOpen).toBe(true);
  const ended = new Promise((resolve) => connection.onClose = resolve);
  await listener.close();
  await ended;
});

test("a certificate that nobody vouches for is refused", async () => {
  const listener = await listen({ tls: TEST_TLS });
  const target = { address: listener.address, path: "/control" as const, hello: hello("x") };
  expect(await connectHttp2({ ...target, tls: {} }).catch((error: unknown) => error)).toMatchObject({
    code: "ConnectError",
  });
  expect(await connectHttp2({ ...target, timeoutMs: 500 }).catch((error: unknown) => error)).toMatchObject({
    code: "ConnectError",
  });
  const connection = await connectHttp2({ ...target, tls: { ca: TEST_TLS.ca! } });
  expect(connection.isOpen).toBe(true);
  await listener.close();
});

test("a listener with TLS needs certificate and key", async () => {
  expect(await listen({ tls: { cert: TEST_TLS.cert! } }).catch(String)).toBe(
    "TypeError: a TLS listener needs cert and key",
  );
});

test("a listener that closes writes what is queued, then ends its connections", async () => {
  const listener = await listen({
    onConnection: (connection) => {
      connection.onFrame = () => undefined;
      for (let index = 0; index < 1_000; index++) connection.send(40, "", [new Uint8Array(5_000)]);
    },
  });
  const connection = await connectHttp2({ address: listener.address, path: "/control", hello: hello("x") });
  let received = 0;
  connection.onFrame = () => received += 1;
  await listener.close();
  expect(await connection.closed).toBe(null);
  expect(received).toBe(1_000);
});

for (const runtime of RUNTIMES) {
  test(`a killed ${runtime} peer is noticed at once: requests and transfers fail`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "mobula-kill-"));
    const peer = await startPeerServer(runtime, join(folder, "a.sock"));
    const connection = await connectHttp2({ address: peer.address, path: "/control", hello: hello("x") });
    const rpc = new Rpc<object, ServerMethods>(connection);
    const client = await ObjectClient.connect({ address: peer.address, token: TOKEN, clusterId: CLUSTER });
    const started = Promise.withResolvers<void>();
    const neverDone = Promise.withResolvers<void>();
    const transfer = client.fetch({
      id: "o-1" as ObjectId,
      sink: () => {
        started.resolve();
        return neverDone.promise;
      },
    }).catch((error: unknown) => error);
    await started.promise;
    const asked = rpc.request("flood", { count: 100_000_000, bytes: 10 }).catch((error: unknown) => error);
    const startMs = performance.now();
    peer.child.kill("SIGKILL");
    expect(await asked).toMatchObject({ code: "ConnectionClosedError" });
    neverDone.resolve();
    expect(await transfer).toMatchObject({ code: "TransferError" });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    client.close();
    rmSync(folder, { recursive: true, force: true });
  });
}
