/**
 * Unix sockets as files: modes, stale and living ones, paths that are too long.
 * @module
 */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROTOCOL_VERSION } from "../../../runtime/common/config.ts";
import { Gate } from "../../../runtime/io/transport/handshake.ts";
import { connectUnix, listenUnix } from "../../../runtime/io/transport/unix.ts";
import { HELLO, TestListener } from "./unix_pair.ts";

const gate = new Gate({
  token: HELLO.token,
  clusterId: "c-test",
  accept: () => ({ version: PROTOCOL_VERSION, clusterId: "c-test", id: "x" }),
});
const listen = (path: string): Promise<{ close(): Promise<void> }> =>
  listenUnix({ path, gate, onConnection: () => undefined });

test("the socket is for its user alone, and goes with its listener", async () => {
  await using listener = new TestListener();
  const path = join(listener.folder, "n", "abc", "a.sock");
  const unix = await listen(path);
  expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
  expect((statSync(join(listener.folder, "n", "abc")).mode & 0o777).toString(8)).toBe("700");
  await unix.close();
  await unix.close();
  expect(existsSync(path)).toBe(false);
});

test("a path over 100 bytes is a clear error on both sides", async () => {
  const path = `/tmp/${"x".repeat(100)}/a.sock`;
  const message = `socket path has 112 bytes, limit 100: ${path}; choose a shorter session folder`;
  expect(await listen(path).catch(String)).toBe(`RangeError: ${message}`);
  expect(await connectUnix({ path, hello: HELLO }).catch(String)).toBe(`RangeError: ${message}`);
});

test("a killed process's socket is replaced, a live one's is not", async () => {
  await using listener = new TestListener();
  const { path } = listener;
  const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", program]);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  expect(await listen(path).catch(String)).toBe(`Error: another process listens on ${path}`);
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("close", resolve));
  expect(existsSync(path)).toBe(true);
  await listener.listen();
  expect((await listener.connect()).isOpen).toBe(true);
});

test("what is there and is no socket stays", async () => {
  await using listener = new TestListener();
  writeFileSync(listener.path, "a user's file");
  expect(await listen(listener.path).catch(String)).toBe(
    `Error: ${listener.path} exists and is not a socket`,
  );
  mkdirSync(join(listener.folder, "d"));
  expect(await listen(join(listener.folder, "d")).catch(String)).toContain("is not a socket");
});

test("where nobody listens, connecting fails at once and names the path", async () => {
  const path = "/tmp/mobula-nobody-is-here.sock";
  const error = await connectUnix({ path, hello: HELLO }).catch((error: unknown) => error);
  expect(error).toMatchObject({
    code: "ConnectError",
    message: expect.stringContaining(`cannot connect to ${path}`),
  });
});

test("a listener that closes writes what is queued, then ends its connections", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  let received = 0;
  client.onFrame = () => received += 1;
  server.onFrame = () => undefined;
  for (let index = 0; index < 1_000; index++) server.send(40, "", [new Uint8Array(5_000)]);
  await listener[Symbol.asyncDispose]();
  expect(await client.closed).toBe(null);
  expect(received).toBe(1_000);
});
