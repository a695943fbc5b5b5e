/**
 * Connections over a real unix socket: order, batching, backpressure, and every way in which they end.
 * @module
 */
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { Prng } from "../../../runtime/common/prng.ts";
import { encodeFrame, FrameType } from "../../../runtime/protocol/frames.ts";
import { Rpc } from "../../../runtime/io/transport/rpc.ts";
import { ConnectionClosedError } from "../../../runtime/io/transport/transport_error.ts";
import { closed, HELLO, TestListener } from "./unix_pair.ts";

const MIB = 1024 * 1024;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("10,000 small frames arrive in order, and leave in few writes", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  const received: string[] = [];
  const done = Promise.withResolvers<void>();
  server.onFrame = (_type, _flags, header) => {
    received.push(text(header));
    if (received.length === 10_000) done.resolve();
  };
  const writes = client.counters.writes;
  for (let index = 0; index < 10_000; index++) client.send(40, `frame ${index}`);
  await done.promise;
  expect(received).toEqual(Array.from({ length: 10_000 }, (_, index) => `frame ${index}`));
  expect(client.counters.writes - writes).toBe(1);
  expect(server.counters.framesIn).toBe(10_001);
  expect(server.counters.bytesIn).toBe(client.counters.bytesOut);
});

test("frames that come before anybody listens wait, in order", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  for (let index = 0; index < 100; index++) client.send(40, String(index));
  const other = await listener.connect();
  // The other connection's welcome proves that the server has had the chance to read.
  expect(other.isOpen).toBe(true);
  const received: string[] = [];
  const done = Promise.withResolvers<void>();
  server.onFrame = (_type, _flags, header) => {
    received.push(text(header));
    if (received.length === 101) done.resolve();
  };
  expect(received).toEqual([]);
  client.send(40, "100");
  await done.promise;
  expect(received).toEqual(Array.from({ length: 101 }, (_, index) => String(index)));
});

test("a peer that does not read holds its writer back, and memory with it", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair({ queueBytesMax: 2 * MIB });
  let received = 0;
  const all = Promise.withResolvers<void>();
  server.onFrame = (_type, _flags, _header, sections) => {
    received += sections[0]!.length;
    if (received === 64 * MIB) all.resolve();
  };
  server.pauseReading();
  const section = new Uint8Array(64 * 1024);
  let queuedMax = 0;
  let waits = 0;
  const write = async (): Promise<void> => {
    for (let index = 0; index < 1_024; index++) {
      if (!client.writable) {
        if (waits === 0) queueMicrotask(() => server.resumeReading());
        waits += 1;
        await client.drained();
      }
      client.send(40, "", [section]);
      queuedMax = Math.max(queuedMax, client.queuedBytes);
    }
  };
  await Promise.all([write(), all.promise]);
  expect(waits).toBeGreaterThan(5);
  expect(queuedMax).toBeLessThan(3 * MIB);
  expect(client.queuedBytes).toBeLessThan(MIB);
});

test("a writer that ignores that is cut off before memory is", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair({ queueBytesMax: MIB });
  server.onFrame = () => undefined;
  server.pauseReading();
  const ended = closed(client);
  const section = new Uint8Array(MIB);
  while (client.send(40, "", [section])) expect(client.queuedBytes).toBeLessThan(10 * MIB);
  expect(await ended).toMatchObject({
    code: "OverloadError",
    message: expect.stringMatching(/does not read/),
  });
});

test("close writes everything first; both sides end without an error", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  let received = 0;
  server.onFrame = (_type, _flags, _header, sections) => {
    received += sections[0]!.length;
  };
  const ends = Promise.all([closed(client), closed(server)]);
  for (let index = 0; index < 100; index++) client.send(40, "", [new Uint8Array(100_000)]);
  client.close();
  client.close();
  expect(client.send(40, "late")).toBe(false);
  expect(await ends).toEqual([null, null]);
  expect(received).toBe(10_000_000);
});

test("destroy tells its error here, and the peer just ends", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  server.onFrame = () => undefined;
  const ends = Promise.all([closed(client), closed(server)]);
  const waiting = client.drained();
  client.destroy(new Error("enough"));
  client.destroy(new Error("twice"));
  const [here] = await ends;
  expect(here).toEqual(new Error("enough"));
  await waiting;
  expect(client.drained()).rejects.toBeInstanceOf(ConnectionClosedError);
  expect(client.closeError).toEqual(new Error("enough"));
});

test("setting onClose after the end still tells", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  client.destroy(null);
  await closed(server);
  expect(await closed(client)).toBe(null);
});

test("a handler that throws ends its connection and no other", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  const [otherClient, otherServer] = await listener.pair();
  server.onFrame = () => {
    throw new Error("in the handler");
  };
  otherServer.onFrame = (type, _flags, header) => otherServer.send(type, header);
  const ended = closed(server);
  client.send(40, "x");
  expect(await ended).toEqual(new Error("in the handler"));
  const answer = Promise.withResolvers<string>();
  otherClient.onFrame = (_type, _flags, header) => answer.resolve(text(header));
  otherClient.send(40, "alive");
  expect(await answer.promise).toBe("alive");
});

test("the time of the last bytes is on the given clock", async () => {
  await using listener = await new TestListener().listen();
  let nowMs = 1_000;
  const [client, server] = await listener.pair({ nowMs: () => nowMs });
  server.onFrame = (type, _flags, header) => server.send(type, header);
  expect(client.lastReceivedMs).toBe(1_000);
  nowMs = 5_000;
  expect(client.lastReceivedMs).toBe(1_000);
  const answered = new Promise<void>((resolve) => client.onFrame = () => resolve());
  client.send(40, "x");
  await answered;
  expect(client.lastReceivedMs).toBe(5_000);
});

/** A raw peer that says a good hello and then these bytes. */
async function afterHello(listener: TestListener, bytes: Uint8Array): Promise<Error | null> {
  const socket = connect(listener.path);
  socket.on("error", () => undefined);
  socket.write(encodeFrame(1, 0, JSON.stringify(HELLO)));
  const server = await listener.next();
  server.onFrame = () => undefined;
  const ended = closed(server);
  socket.end(bytes);
  return await ended;
}

test("garbage, a frame over the limit and half a frame each end their connection with a clear error", async () => {
  await using listener = await new TestListener().listen();
  expect(await afterHello(listener, new Uint8Array(100).fill(255))).toMatchObject({ code: "ProtocolError" });
  const tooLong = encodeFrame(40, 0, "");
  tooLong.set([0, 0, 0, 5], 0);
  expect(await afterHello(listener, tooLong)).toMatchObject({
    code: "ProtocolError",
    message: "frame of 83886084 bytes, limit 67108864",
  });
  const half = encodeFrame(40, 0, "whole").subarray(0, 14);
  expect(await afterHello(listener, half)).toMatchObject({
    code: "ConnectionClosedError",
    message: expect.stringMatching(/ended in the middle of a frame/),
  });
});

test("mutated conversations end at most their own connection, and soon", async () => {
  const seed = Date.now() >>> 0;
  console.log(`connection.test seed ${seed}`);
  const prng = new Prng(seed);
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  server.onFrame = (type, _flags, header) => server.send(type, header);
  const conversation = Buffer.concat([
    encodeFrame(FrameType.hello, 0, JSON.stringify(HELLO)),
    encodeFrame(FrameType.request, 0, `{"id":1,"method":"add","params":{"a":1}}`, [new Uint8Array(100)]),
    encodeFrame(FrameType.notification, 0, `{"method":"count","params":{}}`),
    encodeFrame(200, 3, new Uint8Array(30), [new Uint8Array(10), new Uint8Array(0)]),
  ]);
  const strangers = Array.from({ length: 300 }, () => {
    const bytes = new Uint8Array(conversation);
    for (let count = prng.between(1, 4); count > 0; count--) {
      bytes[prng.below(bytes.length)] = prng.below(256);
    }
    const cut = prng.chance(20) ? bytes.subarray(0, prng.below(bytes.length)) : bytes;
    return new Promise<void>((resolve) => {
      const socket = connect(listener.path, () => socket.end(cut));
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
      socket.resume();
    });
  });
  // Those that are let in all the same are treated as any peer.
  const admitted = (async () => {
    for (;;) new Rpc(await listener.next(), { add: () => ({}) }, { onError: () => undefined });
  })();
  await Promise.all(strangers);
  const answer = Promise.withResolvers<string>();
  client.onFrame = (_type, _flags, header) => answer.resolve(text(header));
  client.send(40, "unharmed");
  expect(await answer.promise).toBe("unharmed");
  void admitted;
});
