/**
 * Requests, answers, notifications and raw frames on one connection; errors, limits and breaches.
 * @module
 */
import { expect, test } from "bun:test";
import type { Method, Notification } from "../../../runtime/protocol/method.ts";
import { FrameType } from "../../../runtime/protocol/frames.ts";
import { NameTakenError } from "../../../runtime/common/errors.ts";
import { ConnectionClosedError } from "../../../runtime/io/transport/transport_error.ts";
import { type Handlers, Reply, Rpc, type RpcOptions } from "../../../runtime/io/transport/rpc.ts";
import { TestListener } from "./unix_pair.ts";

interface Methods {
  add: Method<{ a: number; b: number }, { sum: number }>;
  bytes: Method<Record<string, never>, { lengths: number[] }>;
  fail: Method<{ how: string }, Record<string, never>>;
  /** Answered when `release` is told. */
  hold: Method<{ key: string }, { key: string }>;
  release: Notification<{ key: string }>;
  askBack: Method<{ text: string }, { text: string }>;
  circular: Method<Record<string, never>, unknown>;
}
interface Back {
  upper: Method<{ text: string }, { text: string }>;
}

const held = new Map<string, () => void>();
const handlers: Handlers<Methods> = {
  add: ({ a, b }) => ({ sum: a + b }),
  bytes: async (_params, sections) =>
    new Reply({ lengths: sections.map((section) => section.length) }, sections),
  fail: ({ how }) => {
    if (how === "typed") throw new NameTakenError("name taken", { cause: new Error("private") });
    if (how === "fields") throw Object.assign(new RangeError("far"), { limit: 5, inner: { secret: 1 } });
    if (how === "async") return Promise.reject(new TypeError("later"));
    throw how;
  },
  hold: ({ key }) => new Promise((resolve) => held.set(key, () => resolve({ key }))),
  release: ({ key }) => {
    if (key === "throws") throw new Error("nobody waits");
    held.get(key)!();
  },
  askBack: async ({ text }, _sections, { rpc }) =>
    (await (rpc as Rpc<Methods, Back>).request("upper", { text })).result,
  circular: () => {
    const value: Record<string, unknown> = {};
    value["self"] = value;
    return value;
  },
};

async function open(
  listener: TestListener,
  options?: RpcOptions,
): Promise<[client: Rpc<Back, Methods>, server: Rpc<Methods, Back>]> {
  const [client, server] = await listener.pair();
  const upper = ({ text }: { text: string }): { text: string } => ({ text: text.toUpperCase() });
  return [
    new Rpc<Back, Methods>(client, { upper }, options),
    new Rpc<Methods, Back>(server, handlers, options),
  ];
}

test("requests are answered with results and sections, both ways on one connection", async () => {
  await using listener = await new TestListener().listen();
  const [client] = await open(listener);
  expect((await client.request("add", { a: 2, b: 3 })).result).toEqual({ sum: 5 });
  const bytes = [new Uint8Array([1]), new Uint8Array(200_000)];
  const answer = await client.request("bytes", {}, bytes);
  expect(answer.result).toEqual({ lengths: [1, 200_000] });
  expect(answer.sections.map((section) => section.length)).toEqual([1, 200_000]);
  expect((await client.request("askBack", { text: "abc" })).result).toEqual({ text: "ABC" });
});

test("answers come in any order; requests and notifications are handled in order", async () => {
  await using listener = await new TestListener().listen();
  const [client] = await open(listener);
  const order: string[] = [];
  const requests = ["a", "b", "c"].map((key) =>
    client.request("hold", { key }).then(({ result }) => order.push(result.key))
  );
  expect(client.openRequests).toBe(3);
  for (const key of ["c", "a", "b"]) client.notify("release", { key });
  await Promise.all(requests);
  expect(order).toEqual(["c", "a", "b"]);
  expect(client.openRequests).toBe(0);
});

test("errors arrive as their own class, with plain fields and without stacks or causes", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await open(listener);
  const failure = (how: string): Promise<Error> =>
    client.request("fail", { how }).then(() => new Error("it did not fail"), (error: Error) => error);
  const typed = await failure("typed");
  expect(typed).toBeInstanceOf(NameTakenError);
  expect(typed.message).toBe("name taken");
  expect(typed.cause).toBeUndefined();
  expect(await failure("fields")).toEqual(new RangeError("far"));
  expect(await failure("async")).toEqual(new TypeError("later"));
  expect(await failure("just text")).toMatchObject({ code: "InternalError", message: "just text" });
  const unknown = await (client as unknown as Rpc<object, { nope: Method<object, object> }>)
    .request("nope", {}).catch((error: unknown) => error);
  expect(unknown).toMatchObject({ code: "ProtocolError", message: `no method "nope" here` });
  const proto = await (client as unknown as Rpc<object, { constructor: Method<object, object> }>)
    .request("constructor", {}).catch((error: unknown) => error);
  expect(proto).toMatchObject({ message: `no method "constructor" here` });
  const circular = await client.request("circular", {}).catch((error: unknown) => error);
  expect(circular).toBeInstanceOf(TypeError);
  expect(server.connection.isOpen).toBe(true);
});

test("a notification's failing handler is reported here and disturbs nobody", async () => {
  await using listener = await new TestListener().listen();
  const reported: string[] = [];
  const [client] = await open(listener, {
    onError: (error, method) => reported.push(`${method}: ${error.message}`),
  });
  client.notify("release", { key: "throws" });
  expect((await client.request("add", { a: 1, b: 1 })).result).toEqual({ sum: 2 });
  expect(reported).toEqual(["release: nobody waits"]);
});

test("timeouts and aborts reject; the late answer is ignored", async () => {
  await using listener = await new TestListener().listen();
  const [client] = await open(listener);
  const late = client.request("hold", { key: "late" }, [], { timeoutMs: 20 });
  expect(await late.catch((error: unknown) => error)).toMatchObject({ code: "RequestTimeoutError" });
  const aborter = new AbortController();
  const aborted = client.request("hold", { key: "aborted" }, [], { signal: aborter.signal });
  aborter.abort(new Error("not needed"));
  expect(await aborted.catch((error: unknown) => error)).toEqual(new Error("not needed"));
  const already = client.request("hold", { key: "never sent" }, [], { signal: aborter.signal });
  expect(await already.catch((error: unknown) => error)).toEqual(new Error("not needed"));
  client.notify("release", { key: "late" });
  client.notify("release", { key: "aborted" });
  expect((await client.request("add", { a: 1, b: 2 })).result).toEqual({ sum: 3 });
  expect(client.openRequests).toBe(0);
});

test("the end of the connection rejects all that is open, and all that comes later", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await open(listener);
  const pending = ["x", "y"].map((key) => client.request("hold", { key }).catch((error: unknown) => error));
  await client.request("add", { a: 0, b: 0 });
  server.connection.destroy(new Error("server's reason"));
  for (const error of await Promise.all(pending)) expect(error).toBeInstanceOf(ConnectionClosedError);
  expect(await client.closed).toBe(null);
  expect(await server.closed).toEqual(new Error("server's reason"));
  const after = await client.request("add", { a: 1, b: 1 }).catch((error: unknown) => error);
  expect(after).toBeInstanceOf(ConnectionClosedError);
  expect(client.notify("release", { key: "x" })).toBe(false);
});

test("open requests are bounded on both sides", async () => {
  await using listener = await new TestListener().listen();
  const [client] = await open(listener, { requestsOpenMax: 3 });
  const keys = ["1", "2", "3"];
  const open3 = keys.map((key) => client.request("hold", { key }));
  const over = await client.request("add", { a: 1, b: 1 }).catch((error: unknown) => error);
  expect(over).toMatchObject({ code: "OverloadError" });
  for (const key of keys) client.notify("release", { key });
  await Promise.all(open3);

  const [patient] = await open(listener);
  const impatient = new TestListener();
  await using _ = await impatient.listen();
  const [from, to] = await impatient.pair();
  const asker = new Rpc<Back, Methods>(from);
  new Rpc<Methods, Back>(to, handlers, { requestsOpenMax: 1 });
  const first = asker.request("hold", { key: "first" });
  expect(await asker.request("hold", { key: "second" }).catch((error: unknown) => error)).toMatchObject({
    code: "OverloadError",
  });
  asker.notify("release", { key: "first" });
  expect((await first).result).toEqual({ key: "first" });
  patient.close();
});

test("raw frames reach their handler in order with the rest; without one they end the connection", async () => {
  await using listener = await new TestListener().listen();
  const [client, server] = await open(listener);
  const seen: string[] = [];
  server.onUnknownFrame = (type, flags, header, sections) => {
    seen.push(`${type} ${flags} ${header.length} ${sections.length}`);
  };
  client.connection.send(32, new Uint8Array(3), [new Uint8Array(1)], 9);
  await client.request("add", { a: 1, b: 1 });
  client.connection.send(255, "");
  await client.request("add", { a: 1, b: 1 });
  expect(seen).toEqual(["32 9 3 1", "255 0 0 0"]);
  server.connection.send(32, "");
  expect(await client.closed).toMatchObject({
    code: "ProtocolError",
    message: "frame of type 32 out of turn",
  });
});

const BREACHES: [string, number, string][] = [
  ["a header that is not JSON", FrameType.request, "{"],
  ["a header that is no object", FrameType.notification, "7"],
  ["a request without a method", FrameType.request, `{"id":1}`],
  ["a hello out of turn", FrameType.hello, "{}"],
  ["an unknown type of the transport", 31, "{}"],
];
for (const [name, type, header] of BREACHES) {
  test(`${name} ends the connection`, async () => {
    await using listener = await new TestListener().listen();
    const [client, server] = await open(listener);
    client.connection.send(type, header);
    expect(await server.closed).toMatchObject({ code: "ProtocolError" });
    expect(await client.closed).toBe(null);
  });
}
