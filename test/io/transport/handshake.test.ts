/**
 * The entrance: what is let in, what is refused and how, and what an uninvited peer can cost.
 * @module
 */
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { PROTOCOL_VERSION } from "../../../runtime/common/config.ts";
import { encodeFrame, FrameType } from "../../../runtime/protocol/frames.ts";
import { AuthenticationError } from "../../../runtime/common/errors.ts";
import { Gate } from "../../../runtime/io/transport/handshake.ts";
import { HELLO, TestListener } from "./unix_pair.ts";

/** Sends bytes and gives all that comes back until the server ends it. */
function exchange(listener: TestListener, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(listener.path, () => socket.write(bytes));
    socket.on("data", (chunk: Uint8Array) => answer += new TextDecoder().decode(chunk.subarray(12)));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

test("a good hello is answered with the welcome, and each side knows its peer", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await listener.pair();
  expect(client.peer).toEqual({ version: PROTOCOL_VERSION, clusterId: "c-test", id: "w-test" });
  expect(server.peer).toEqual(HELLO);
});

test("a wrong token, another cluster and another version are refused by name", async () => {
  await using listener = await new TestListener().listen();
  const refused = (part: object): Promise<unknown> => listener.connect(part).catch((error: unknown) => error);
  const wrongToken = await refused({ token: "not it" });
  expect(wrongToken).toBeInstanceOf(AuthenticationError);
  expect(String(wrongToken)).toBe(
    "AuthenticationError: wrong token: use the token of the cluster's session folder (file `token`)",
  );
  expect(await refused({ clusterId: "c-other" })).toMatchObject({
    code: "AuthenticationError",
    message: "w-test belongs to cluster c-other, this is cluster c-test",
  });
  expect(await refused({ version: PROTOCOL_VERSION + 1 })).toMatchObject({
    message: `protocol version ${PROTOCOL_VERSION + 1}, but this cluster speaks ${PROTOCOL_VERSION}`,
  });
  expect(await listener.connect({ clusterId: null })).toMatchObject({ isOpen: true });
  expect(listener.gate.failures).toBe(3);
});

test("the server's own word counts last, also when it comes late", async () => {
  await using listener = await new TestListener({
    accept: async (hello) => {
      await Promise.resolve();
      return hello.epoch < 5 ? new AuthenticationError("epoch 4 was declared dead") : {
        version: PROTOCOL_VERSION,
        clusterId: "c-test",
        id: "x",
      };
    },
  }).listen();
  expect(await listener.connect({ epoch: 4 }).catch(String)).toBe(
    "AuthenticationError: epoch 4 was declared dead",
  );
  expect((await listener.connect({ epoch: 5 })).isOpen).toBe(true);
});

test("a refusal never repeats the token", async () => {
  await using listener = await new TestListener().listen();
  const hello = JSON.stringify({ ...HELLO, token: "a secret that was mistyped" });
  const answer = await exchange(listener, encodeFrame(FrameType.hello, 0, hello));
  expect(answer).toContain("AuthenticationError");
  expect(answer).not.toContain("mistyped");
  expect(answer).not.toContain(HELLO.token);
});

const BAD_HELLOS: [string, Uint8Array, RegExp][] = [
  ["a frame of another type", encodeFrame(FrameType.request, 0, "{}"), /first frame has type 4/],
  ["a hello that is not JSON", encodeFrame(FrameType.hello, 0, "{"), /hello is not JSON/],
  ["a hello that is null", encodeFrame(FrameType.hello, 0, "null"), /not an object/],
  ["a hello without fields", encodeFrame(FrameType.hello, 0, "{}"), /missing or wrong fields/],
  [
    "a hello with an unknown role",
    encodeFrame(FrameType.hello, 0, JSON.stringify({ ...HELLO, role: "king" })),
    /wrong fields/,
  ],
  [
    "a hello over 8 KB",
    encodeFrame(FrameType.hello, 0, JSON.stringify({ ...HELLO, id: "x".repeat(9_000) })),
    /^$/,
  ],
  ["sections beside the hello", encodeFrame(FrameType.hello, 0, "{}", [new Uint8Array(1)]), /^$/],
  ["garbage", new Uint8Array(50).fill(77), /^$/],
];
for (const [name, bytes, answer] of BAD_HELLOS) {
  test(`${name} ends the connection`, async () => {
    await using listener = await new TestListener().listen();
    expect(await exchange(listener, bytes)).toMatch(answer);
    expect((await listener.connect()).isOpen).toBe(true);
  });
}

test("who says nothing is cut off", async () => {
  await using listener = await new TestListener({ helloTimeoutMs: 30 }).listen();
  expect(await exchange(listener, new Uint8Array([1]))).toBe("");
});

test("who does not wait for the welcome is cut off", async () => {
  await using listener = await new TestListener().listen();
  const hello = encodeFrame(FrameType.hello, 0, JSON.stringify(HELLO));
  expect(await exchange(listener, new Uint8Array(Buffer.concat([hello, hello])))).toBe("");
});

test("more than 10 failures in a second are not answered at once, and good hellos are not slowed", async () => {
  await using listener = await new TestListener({ nowMs: () => 0 }).listen();
  let answered = 0;
  for (let count = 0; count < 60; count++) {
    void listener.connect({ token: `guess ${count}` }).catch((error: { code: string }) => {
      if (error.code === "AuthenticationError") answered += 1;
    });
  }
  while (listener.gate.failures < 60) await new Promise((resolve) => setImmediate(resolve));
  const startMs = performance.now();
  expect((await listener.connect()).isOpen).toBe(true);
  expect(performance.now() - startMs).toBeLessThan(500);
  expect(answered).toBe(10);
});

test("a gate without a token cannot be made", () => {
  expect(() => new Gate({ token: "", clusterId: "c", accept: () => new Error() })).toThrow("token is empty");
});
