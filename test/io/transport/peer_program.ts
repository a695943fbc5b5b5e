/**
 * One end of the pairing test, run under each runtime: `server` listens and prints its address, `client ADDRESS` goes
 * through every use of a connection against it and prints what it saw. Both end with exit code 0 only when all was well.
 * @module
 */
import { readFileSync } from "node:fs";
import { connect as connectPlain } from "node:http2";
import { crc32 } from "node:zlib";
import type { ObjectId } from "../../../runtime/common/ids.ts";
import { FrameType } from "../../../runtime/protocol/frames.ts";
import type { Hello, Method, Notification } from "../../../runtime/protocol/messages.ts";
import type { Connection } from "../../../runtime/io/transport/connection.ts";
import { Gate } from "../../../runtime/io/transport/handshake.ts";
import type { TlsOptions } from "../../../runtime/io/transport/http2.ts";
import { connectHttp2, openHttp2 } from "../../../runtime/io/transport/http2_client.ts";
import { listenHttp2 } from "../../../runtime/io/transport/http2_server.ts";
import { ObjectClient } from "../../../runtime/io/transport/object_client.ts";
import { Reply, Rpc } from "../../../runtime/io/transport/rpc.ts";

const TOKEN = "a token of the pairing test";
const CLUSTER = "c-pairing";
const MIB = 1024 * 1024;
const OBJECT_BYTES = 24 * MIB + 12_345;

interface ServerMethods {
  echo: Method<{ text: string }, { text: string }>;
  /** How many `count` notifications came on all connections, and how many bytes beside them. */
  counted: Method<Record<string, never>, { count: number; bytes: number }>;
  fail: Method<Record<string, never>, Record<string, never>>;
  /** Send `flood` notifications as fast as the connection takes them; answers the largest queue seen. */
  flood: Method<{ count: number; bytes: number }, { queuedMax: number; waits: number }>;
  count: Notification<Record<string, never>>;
}
interface ClientMethods {
  flood: Notification<{ index: number }>;
}

function tlsOf(path: string | undefined): TlsOptions | undefined {
  return path === undefined ? undefined : JSON.parse(readFileSync(path, "utf8"));
}

function objectBytes(): Uint8Array {
  const bytes = new Uint8Array(OBJECT_BYTES);
  for (let index = 0; index < bytes.length; index += 4_096) bytes[index] = index % 251;
  return bytes;
}

async function serve(tls: TlsOptions | undefined): Promise<void> {
  const bytes = objectBytes();
  let count = 0;
  let countedBytes = 0;
  let readersOpen = 0;
  const gate = new Gate({
    token: TOKEN,
    clusterId: CLUSTER,
    accept: (hello) => ({ version: 1, clusterId: CLUSTER, id: `welcome ${hello.id}` }),
  });
  const listener = await listenHttp2({
    port: 0,
    gate,
    ...(tls === undefined ? {} : { tls }),
    onConnection: (connection) => {
      const rpc: Rpc<ServerMethods, ClientMethods> = new Rpc<ServerMethods, ClientMethods>(connection, {
        echo: ({ text }, sections) => new Reply({ text }, sections),
        fail: () => {
          throw new RangeError("not that far");
        },
        count: (_params, sections) => {
          count += 1;
          for (const section of sections) countedBytes += section.length;
        },
        counted: () => ({ count, bytes: countedBytes }),
        flood: (params) => flood(rpc, connection, params),
      });
    },
    objects: (id) => {
      if (id === "o-none") return null;
      readersOpen += 1;
      return {
        size: bytes.length,
        read: (offset, length) => {
          if (id === "o-breaks" && offset > 8 * MIB) throw new Error("the holder lost it");
          return bytes.subarray(offset, offset + length);
        },
        close: () => {
          readersOpen -= 1;
        },
      };
    },
  });
  console.log(JSON.stringify({ address: listener.address }));
  process.stdin.on("end", async () => {
    await listener.close();
    console.log(JSON.stringify({ readersOpen, failures: gate.failures }));
    process.exit(0);
  });
  process.stdin.resume();
}

async function flood(
  rpc: Rpc<ServerMethods, ClientMethods>,
  connection: Connection,
  { count, bytes }: { count: number; bytes: number },
): Promise<{ queuedMax: number; waits: number }> {
  let queuedMax = 0;
  let waits = 0;
  const section = new Uint8Array(bytes);
  for (let index = 0; index < count; index++) {
    if (!connection.writable) {
      waits += 1;
      await connection.drained();
    }
    rpc.notify("flood", { index }, [section]);
    queuedMax = Math.max(queuedMax, connection.queuedBytes);
  }
  return { queuedMax, waits };
}

function hello(id: string): Hello {
  return {
    version: 1,
    token: TOKEN,
    role: "agent",
    id,
    clusterId: CLUSTER,
    epoch: 1,
    pid: process.pid,
    runtime: "node",
    purpose: "control",
  };
}

const nameOf = (error: unknown): string => (error as Error).name;

class Client {
  readonly #target: { readonly address: string; readonly tls?: TlsOptions };
  readonly seen: Record<string, unknown> = {};

  constructor(address: string, tls: TlsOptions | undefined) {
    this.#target = tls === undefined ? { address } : { address, tls };
  }

  async run(): Promise<void> {
    await this.#refusals();
    await this.#requests();
    await this.#objects();
    await this.#breaches();
    await this.#slowReader();
    await this.#closeWhileSending();
    // The server has lived through all of that.
    const rpc = await this.#open("last");
    this.seen["last"] = (await rpc.request("echo", { text: "still here" })).result.text;
    rpc.close();
    this.seen["lastClose"] = await rpc.closed;
  }

  async #open(
    id: string,
    path: "/control" | "/heartbeat" = "/control",
  ): Promise<Rpc<ClientMethods, ServerMethods>> {
    const connection = await connectHttp2({ ...this.#target, path, hello: hello(id) });
    return new Rpc<ClientMethods, ServerMethods>(connection);
  }

  async #refusals(): Promise<void> {
    const open = (part: Partial<Hello>): Promise<unknown> =>
      connectHttp2({ ...this.#target, path: "/control", hello: { ...hello("refused"), ...part } });
    this.seen["wrongToken"] = await open({ token: "wrong" }).catch(nameOf);
    this.seen["wrongCluster"] = await open({ clusterId: "c-other" }).catch(nameOf);
    this.seen["wrongVersion"] = await open({ version: 99 }).catch(nameOf);
  }

  async #requests(): Promise<void> {
    const control = await this.#open("first");
    const heartbeat = await this.#open("second", "/heartbeat");
    this.seen["peer"] = (control.connection.peer as { id: string }).id;
    const big = new Uint8Array(3 * MIB + 1).fill(7);
    const answer = await control.request("echo", { text: "größer" }, [big, new Uint8Array([1, 2, 3])]);
    this.seen["echo"] = [answer.result.text, answer.sections.map((section) => section.length)];
    this.seen["echoSame"] = crc32(answer.sections[0]!) === crc32(big);
    this.seen["failed"] = await control.request("fail", {}).catch(String);
    const texts: string[] = [];
    const all = Array.from(
      { length: 2_000 },
      (_, index) =>
        heartbeat.request("echo", { text: String(index) }).then(({ result }) => texts.push(result.text)),
    );
    await Promise.all(all);
    this.seen["inOrder"] = texts.every((text, index) => text === String(index));
    heartbeat.close();
    await heartbeat.closed;
    this.seen["other"] = (await control.request("echo", { text: "alive" })).result.text;
    control.connection.destroy(null);
    this.seen["afterDestroy"] = await control.request("echo", { text: "" }).catch(nameOf);
  }

  async #objects(): Promise<void> {
    const client = await ObjectClient.connect({ ...this.#target, token: TOKEN, clusterId: CLUSTER });
    const copy = new Uint8Array(OBJECT_BYTES);
    const sink = (offset: number, bytes: Uint8Array): void => copy.set(bytes, offset);
    const whole = objectBytes();
    this.seen["size"] = await client.fetch({ id: "o-1" as ObjectId, sink });
    this.seen["objectSame"] = crc32(copy) === crc32(whole);
    copy.fill(0);
    const broken = await client.fetch({ id: "o-breaks" as ObjectId, sink }).catch((error: unknown) => error);
    const { name, offset } = broken as { name: string; offset: number };
    this.seen["broken"] = [name, offset];
    // Resume from another holder, with a sink that takes its time, in two ranges at once.
    const slowSink = (at: number, bytes: Uint8Array): Promise<void> =>
      Promise.resolve().then(() => sink(at, bytes));
    const middle = offset + 5 * MIB;
    await Promise.all([
      client.fetch({ id: "o-1" as ObjectId, offset, length: middle - offset, sink: slowSink }),
      client.fetch({ id: "o-1" as ObjectId, offset: middle, sink: slowSink }),
    ]);
    this.seen["resumedSame"] = crc32(copy) === crc32(whole);
    this.seen["none"] = await client.fetch({ id: "o-none" as ObjectId, sink }).catch(nameOf);
    const aborter = new AbortController();
    const abortingSink = (at: number): void => {
      if (at > 4 * MIB) aborter.abort(new Error("enough"));
    };
    this.seen["aborted"] = await client.fetch({
      id: "o-1" as ObjectId,
      sink: abortingSink,
      signal: aborter.signal,
    }).catch(String);
    const sinkError = (): void => {
      throw new RangeError("no room");
    };
    this.seen["sinkError"] = await client.fetch({ id: "o-1" as ObjectId, sink: sinkError }).catch(String);
    client.close();
    const stranger = await ObjectClient.connect({ ...this.#target, token: "wrong", clusterId: CLUSTER });
    this.seen["stranger"] = await stranger.fetch({ id: "o-1" as ObjectId, sink }).catch(nameOf);
    stranger.close();
  }

  /** Raw bytes that no honest peer sends: the connection ends, and nothing else. */
  async #breaches(): Promise<void> {
    const bystander = await this.#open("bystander");
    const ends: string[] = [];
    for (
      const text of [
        "garbage that is no frame at all",
        "\u0000\u0000\u0000\u0001\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0000",
      ]
    ) {
      const session = await openHttp2(this.#target);
      const stream = session.request({ ":method": "POST", ":path": "/control" }, true);
      const closed = new Promise<void>((resolve) => stream.once("close", resolve));
      stream.resume();
      stream.write(text);
      await closed;
      ends.push("closed");
      session.end();
    }
    const session = await openHttp2(this.#target);
    const stream = session.request({ ":method": "GET", ":path": "/nothing/here" }, false);
    stream.resume();
    ends.push(
      await new Promise((resolve) =>
        stream.once("response", (headers) => resolve(String(headers[":status"])))
      ),
    );
    session.end();
    ends.push(await this.#strangersGoaway());
    // A second hello is out of turn.
    const twice = await this.#open("twice");
    twice.connection.send(FrameType.hello, "{}");
    await twice.closed;
    ends.push("closed");
    this.seen["breaches"] = ends;
    this.seen["bystander"] = (await bystander.request("echo", { text: "unharmed" })).result.text;
    bystander.close();
    await bystander.closed;
  }

  /** Any other HTTP/2 client says GOAWAY when it leaves; Deno's server must not fall over it (goaway_guard.ts). */
  async #strangersGoaway(): Promise<string> {
    const { address, tls } = this.#target;
    const session = connectPlain(`${tls === undefined ? "http" : "https"}://${address}`, tls ?? {});
    session.on("error", () => undefined);
    for (let round = 0; round < 3; round++) {
      const stream = session.request({ ":method": "POST", ":path": "/control" }, { endStream: false });
      stream.on("error", () => undefined);
      stream.resume();
      const answered = new Promise((resolve) => stream.once("response", resolve));
      const closed = new Promise<void>((resolve) => stream.once("close", resolve));
      await answered;
      stream.close(8);
      await closed;
    }
    const closed = new Promise<void>((resolve) => session.once("close", resolve));
    session.close();
    await closed;
    return "gone away";
  }

  /** The sender's queue stays bounded while the reader sleeps, and everything arrives in order once it wakes. */
  async #slowReader(): Promise<void> {
    const count = 1_200;
    const bytes = 64 * 1024;
    const rpc = await this.#open("slow");
    let received = 0;
    let isOrdered = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    rpc.handle({
      flood: ({ index }) => {
        isOrdered &&= index === received;
        received += 1;
        if (received === 1) rpc.connection.pauseReading();
        if (received === count) resolve();
      },
    });
    const answered = rpc.request("flood", { count, bytes });
    // While this connection is paused, another one works.
    const other = await this.#open("not slow");
    for (let round = 0; round < 20; round++) await other.request("echo", { text: "x" });
    other.close();
    while (received === 0) await new Promise((resolve) => setImmediate(resolve));
    rpc.connection.resumeReading();
    await promise;
    const { result } = await answered;
    this.seen["slow"] = { received, isOrdered, isBounded: result.queuedMax < 40 * MIB };
    rpc.close();
    await rpc.closed;
  }

  async #closeWhileSending(): Promise<void> {
    const rpc = await this.#open("leaving");
    const section = new Uint8Array(8 * 1024);
    for (let index = 0; index < 1_000; index++) rpc.notify("count", {}, [section]);
    rpc.close();
    this.seen["leaving"] = await rpc.closed;
    const other = await this.#open("asking");
    this.seen["counted"] = (await other.request("counted", {})).result;
    other.close();
  }
}

const [mode, argument, tlsPath] = process.argv.slice(2);
if (mode === "server") {
  await serve(tlsOf(argument));
} else {
  const client = new Client(argument!, tlsOf(tlsPath));
  await client.run();
  console.log(JSON.stringify(client.seen));
  process.exit(0);
}
