/**
 * The asking end of the pairing test, run under each runtime: goes through every use of a connection against the server
 * and prints what it saw, as one line of JSON.
 *
 *   peer_client.ts ADDRESS SOCKET_PATH [tls]
 * @module
 */
import { connect as connectPlain } from "node:http2";
import process from "node:process";
import { crc32 } from "node:zlib";
import type { NodeId, ObjectId } from "../../../runtime/common/ids.ts";
import { FrameType } from "../../../runtime/protocol/frames.ts";
import type { Hello } from "../../../runtime/protocol/messages.ts";
import type { Connection } from "../../../runtime/io/transport/connection.ts";
import type { PipePath, TlsOptions } from "../../../runtime/io/transport/http2.ts";
import { connectHttp2, openHttp2 } from "../../../runtime/io/transport/http2_client.ts";
import { ObjectClient } from "../../../runtime/io/transport/object_client.ts";
import { Rpc } from "../../../runtime/io/transport/rpc.ts";
import { connectUnix } from "../../../runtime/io/transport/unix.ts";
import {
  type ClientMethods,
  CLUSTER,
  hello,
  MIB,
  OBJECT_BYTES,
  objectBytes,
  QUEUE_BYTES_MAX,
  type ServerMethods,
  tlsOf,
  TOKEN,
} from "./peer_methods.ts";

const nameOf = (error: unknown): string => (error as Error).name;

class Client {
  readonly #target: { readonly address: string; readonly tls?: TlsOptions };
  readonly #socketPath: string;
  /** Which of the server's two entrances connections go to. */
  #isUnix = false;
  readonly seen: Record<string, unknown> = {};

  constructor(address: string, socketPath: string, tls: TlsOptions | undefined) {
    this.#target = tls === undefined ? { address } : { address, tls };
    this.#socketPath = socketPath;
  }

  async run(): Promise<void> {
    for (const isUnix of [false, true]) {
      this.#isUnix = isUnix;
      await this.#refusals();
      await this.#requests();
      if (!isUnix) await this.#objects();
      if (!isUnix) await this.#breaches();
      await this.#slowReader();
      await this.#closeWhileSending();
      // The server has lived through all of that.
      const rpc = await this.#open("last");
      this.#see("last", (await rpc.request("echo", { text: "still here" })).result.text);
      rpc.close();
      this.#see("lastClose", await rpc.closed);
    }
  }

  #see(what: string, value: unknown): void {
    this.seen[this.#isUnix ? `unix ${what}` : what] = value;
  }

  #connect(hello: Hello, path: PipePath = "/control"): Promise<Connection> {
    if (this.#isUnix) return connectUnix({ path: this.#socketPath, hello });
    return connectHttp2({ ...this.#target, path, hello });
  }

  async #open(id: string, path: PipePath = "/control"): Promise<Rpc<ClientMethods, ServerMethods>> {
    return new Rpc<ClientMethods, ServerMethods>(await this.#connect(hello(id), path));
  }

  async #refusals(): Promise<void> {
    const open = (part: Partial<Hello>): Promise<unknown> => this.#connect({ ...hello("refused"), ...part });
    this.#see("wrongToken", await open({ token: "wrong" }).catch(nameOf));
    this.#see("wrongCluster", await open({ clusterId: "c-other" }).catch(nameOf));
    this.#see("wrongVersion", await open({ version: 99 }).catch(nameOf));
  }

  async #requests(): Promise<void> {
    const control = await this.#open("first");
    const heartbeat = await this.#open("second", "/heartbeat");
    this.#see("peer", (control.connection.peer as { id: string }).id);
    const big = new Uint8Array(3 * MIB + 1).fill(7);
    const answer = await control.request("echo", { text: "größer" }, [big, new Uint8Array([1, 2, 3])]);
    this.#see("echo", [answer.result.text, answer.sections.map((section) => section.length)]);
    this.#see("echoSame", crc32(answer.sections[0]!) === crc32(big));
    this.#see("failed", await control.request("fail", {}).catch(String));
    const texts: string[] = [];
    const all = Array.from(
      { length: 2_000 },
      (_, index) =>
        heartbeat.request("echo", { text: String(index) }).then(({ result }) => texts.push(result.text)),
    );
    await Promise.all(all);
    this.#see("inOrder", texts.every((text, index) => text === String(index)));
    heartbeat.close();
    await heartbeat.closed;
    this.#see("other", (await control.request("echo", { text: "alive" })).result.text);
    control.connection.destroy(null);
    this.#see("afterDestroy", await control.request("echo", { text: "" }).catch(nameOf));
  }

  async #objects(): Promise<void> {
    const client = await ObjectClient.connect({ ...this.#target, token: TOKEN, clusterId: CLUSTER });
    const copy = new Uint8Array(OBJECT_BYTES);
    const sink = (offset: number, bytes: Uint8Array): void => copy.set(bytes, offset);
    const whole = objectBytes();
    this.#see("size", await client.fetch({ id: "o-1" as ObjectId, sink }));
    this.#see("objectSame", crc32(copy) === crc32(whole));
    copy.fill(0);
    const broken = await client.fetch({ id: "o-breaks" as ObjectId, sink }).catch((error: unknown) => error);
    const { name, offset } = broken as { name: string; offset: number };
    this.#see("broken", [name, offset]);
    // Resume from another holder, with a sink that takes its time, in two ranges at once.
    const slowSink = (at: number, bytes: Uint8Array): Promise<void> =>
      Promise.resolve().then(() => sink(at, bytes));
    const middle = offset + 3 * MIB;
    await Promise.all([
      client.fetch({ id: "o-1" as ObjectId, offset, length: middle - offset, sink: slowSink }),
      client.fetch({ id: "o-1" as ObjectId, offset: middle, sink: slowSink }),
    ]);
    this.#see("resumedSame", crc32(copy) === crc32(whole));
    this.#see("none", await client.fetch({ id: "o-none" as ObjectId, sink }).catch(nameOf));
    const busy = { id: "o-busy" as ObjectId, from: "n-me" as NodeId, sink };
    const referred = await client.fetch({ ...busy, mayRefer: true }).catch((error: unknown) => error);
    this.#see("referred", [(referred as Error).name, (referred as { holders: unknown }).holders]);
    const checked: number[] = [];
    this.#see(
      "insisted",
      await client.fetch({ ...busy, length: 2 * MIB + 1, onChecked: (at) => checked.push(at) }),
    );
    this.#see("checked", checked);
    const aborter = new AbortController();
    const abortingSink = (at: number): void => {
      if (at > 4 * MIB) aborter.abort(new Error("enough"));
    };
    this.#see(
      "aborted",
      await client.fetch({
        id: "o-1" as ObjectId,
        sink: abortingSink,
        signal: aborter.signal,
      }).catch(String),
    );
    const sinkError = (): void => {
      throw new RangeError("no room");
    };
    this.#see("sinkError", await client.fetch({ id: "o-1" as ObjectId, sink: sinkError }).catch(String));
    client.close();
    const stranger = await ObjectClient.connect({ ...this.#target, token: "wrong", clusterId: CLUSTER });
    this.#see("stranger", await stranger.fetch({ id: "o-1" as ObjectId, sink }).catch(nameOf));
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
    this.#see("breaches", ends);
    this.#see("bystander", (await bystander.request("echo", { text: "unharmed" })).result.text);
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
    const count = 600;
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
    this.#see("slow", {
      received,
      isOrdered,
      isBounded: result.queuedMax < QUEUE_BYTES_MAX + MIB,
      hasWaited: result.waits > 0,
    });
    rpc.close();
    await rpc.closed;
  }

  async #closeWhileSending(): Promise<void> {
    const rpc = await this.#open("leaving");
    const section = new Uint8Array(8 * 1024);
    for (let index = 0; index < 1_000; index++) rpc.notify("count", {}, [section]);
    rpc.close();
    this.#see("leaving", await rpc.closed);
    const other = await this.#open("asking");
    this.#see("counted", (await other.request("counted", {})).result);
    other.close();
  }
}

const [address, socketPath, tls] = process.argv.slice(2);
const client = new Client(address!, socketPath!, tlsOf(tls));
await client.run();
console.log(JSON.stringify(client.seen));
process.exit(0);
