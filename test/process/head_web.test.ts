/** The way in for pages, against hostile and stalled clients: an agent's listener on one side, bare sockets on the other. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { PROTOCOL_VERSION } from "../../runtime/common/config.ts";
import { type HttpListener, listenHttp } from "../../dashboard/server/serve.ts";
import type { Connection } from "../../runtime/io/transport/connection.ts";
import { Gate } from "../../runtime/io/transport/handshake.ts";
import { type Http2Listener, listenHttp2 } from "../../runtime/io/transport/http2_server.ts";
import { webOrigins } from "../../runtime/io/environment.ts";
import { WebDrivers } from "../../runtime/process/head_web.ts";
import { encodeFrame, FrameType } from "../../runtime/protocol/frames.ts";
import type { Hello, NodeRow, Welcome } from "../../runtime/protocol/messages.ts";
import { WEB_DRIVER_PATH, WEB_SEND_PATH } from "../../runtime/protocol/web_pipe.ts";
import { binaryHeader } from "../../runtime/protocol/websocket_frames.ts";
import { waitFor } from "../support/wait_for.ts";

const TOKEN = "the token";
const MIB = 1 << 20;
const hello: Hello = {
  version: PROTOCOL_VERSION,
  token: TOKEN,
  role: "driver",
  id: "d-1",
  clusterId: null,
  epoch: 0,
  pid: 0,
  runtime: "web",
  purpose: "control",
};

let agent: Http2Listener;
/** Drivers as the agent sees them. */
let atAgent: Connection[];
let drivers: WebDrivers;
let http: HttpListener;
let clients: Socket[];

beforeEach(async () => {
  atAgent = [];
  clients = [];
  const welcome: Welcome = { version: PROTOCOL_VERSION, clusterId: "c-1", id: "n-1" };
  agent = await listenHttp2({
    port: 0,
    gate: new Gate({ token: TOKEN, clusterId: "c-1", accept: () => welcome }),
    onConnection: (connection) => {
      connection.onFrame = () => undefined;
      atAgent.push(connection);
    },
  });
  drivers = new WebDrivers({
    token: TOKEN,
    clusterId: "c-1",
    hosts: [],
    origins: ["https://app.example.org"],
    nodes: () => [{ state: "ALIVE", isHeadNode: true, address: agent.address } as NodeRow],
    tls: undefined,
  });
  http = await listenHttp({
    fetch: () => new Response("the page"),
    host: "127.0.0.1",
    port: 0,
    bare: (request, response) => drivers.request(request, response),
    upgrade: (request, socket, head) => drivers.upgrade(request, socket, head),
  });
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  await drivers.close();
  await http.close();
  await agent.close();
});

/** A bare socket with the upgrade's request sent; `headers` replace or remove (null) single ones. */
function upgrade(headers: Record<string, string | null> = {}): Socket {
  const socket = connect(http.port, "127.0.0.1");
  socket.on("error", () => undefined);
  clients.push(socket);
  const all: Record<string, string | null> = {
    host: `127.0.0.1:${http.port}`,
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "mobula.v1",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) =>
    `${name}: ${value}`
  );
  socket.write(`GET ${WEB_DRIVER_PATH} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  return socket;
}

function statusOf(socket: Socket): Promise<number> {
  return new Promise((resolve) =>
    socket.once("data", (chunk) => resolve(Number(String(chunk).split(" ", 2)[1])))
  );
}

/** One frame of the protocol in a WebSocket's message, masked with zeros. */
function message(type: number, header: string, section?: Uint8Array): Uint8Array {
  const payload = encodeFrame(type, 0, header, section === undefined ? [] : [section]);
  const head = binaryHeader(payload.length);
  head[1]! |= 0x80;
  return Buffer.concat([head, new Uint8Array(4), payload]);
}

/** A bare socket that was let in; it does not read. */
async function joined(): Promise<[client: Socket, atAgent: Connection]> {
  const socket = upgrade();
  expect(await statusOf(socket)).toBe(101);
  const before = atAgent.length;
  socket.write(message(FrameType.hello, JSON.stringify(hello)));
  await waitFor("the agent to be reached", () => atAgent.length > before);
  socket.pause();
  return [socket, atAgent.at(-1)!];
}

/** Resolves when the number has not changed for a while. */
async function settled(value: () => number): Promise<number> {
  for (let before = -1;;) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    if (value() === before) return before;
    before = value();
  }
}

describe("the way in for pages", () => {
  test("is open to no browser, to its own pages, and to sites on the list; to no other", async () => {
    const own = `http://127.0.0.1:${http.port}`;
    const cases: [Record<string, string | null>, number][] = [
      [{}, 101],
      [{ origin: own }, 101],
      [{ origin: "https://app.example.org" }, 101],
      [{ origin: "https://evil.example.org" }, 403],
      [{ origin: "https://app.example.org.evil.org" }, 403],
      [{ origin: "null" }, 403],
      [{ origin: "" }, 403],
      // A name of its own that points here.
      [{ origin: "http://evil.org", host: "evil.org" }, 403],
    ];
    for (const [headers, status] of cases) {
      expect([headers, await statusOf(upgrade(headers))]).toEqual([headers, status]);
    }
    for (const [headers, status] of cases.filter(([headers]) => headers.host === undefined)) {
      const given = headers as Record<string, string>;
      const response = await fetch(new URL(WEB_DRIVER_PATH, http.url), { method: "POST", headers: given });
      expect([headers, response.status]).toEqual([headers, status === 101 ? 200 : status]);
      await response.body?.cancel();
    }
  });

  test("refuses what is no WebSocket of ours", async () => {
    const wrong: Record<string, string>[] = [
      { "sec-websocket-version": "8" },
      { "sec-websocket-key": "short" },
      { "sec-websocket-protocol": "chat" },
      { upgrade: "h2c" },
    ];
    for (const headers of wrong) expect([headers, await statusOf(upgrade(headers))]).toEqual([headers, 400]);
  });

  test("ends who says no hello that the protocol knows, and lets nobody else feel it", async () => {
    const [, good] = await joined();
    const section = new Uint8Array(10);
    const wrong = [
      message(FrameType.hello, "{}"),
      message(FrameType.hello, JSON.stringify(hello), section),
      message(FrameType.request, "{}"),
      Uint8Array.of(0x81, 0x81, 0, 0, 0, 0, 65),
      new Uint8Array(100),
    ];
    for (const bytes of wrong) {
      const socket = upgrade();
      expect(await statusOf(socket)).toBe(101);
      socket.resume();
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.write(bytes);
      await closed;
    }
    expect([drivers.size, atAgent.length, good.isOpen]).toEqual([1, 1, true]);
  });

  test("lets only drivers in", async () => {
    for (const role of ["agent", "worker", "cli"] as const) {
      const socket = upgrade();
      expect(await statusOf(socket)).toBe(101);
      const answer = new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(String(chunk))));
      socket.write(message(FrameType.hello, JSON.stringify({ ...hello, role })));
      expect(await answer).toContain("only drivers come by this way");
    }
    expect(atAgent.length).toBe(0);
  });

  test("ends the agent's side with the client's, and the client's with the agent's", async () => {
    const [client, first] = await joined();
    client.destroy();
    await first.closed;
    const [other, second] = await joined();
    second.close();
    other.resume();
    await new Promise((resolve) => other.once("close", resolve));
    await waitFor("nobody", () => drivers.size === 0);
  });

  test("holds little for a page that does not read: what is for it stays with the agent", async () => {
    const [client, { counters }] = await joined();
    const connection = atAgent[0]!;
    let offered = 0;
    const section = new Uint8Array(MIB);
    const offer = (): void => {
      while (connection.writable && offered < 400) {
        connection.send(FrameType.notification, "{}", [section]);
        offered++;
      }
      if (offered < 400) connection.drained().then(offer, () => undefined);
    };
    offer();
    await settled(() => offered);
    // The agent's own queue (32 MiB), two windows of 16 MiB, the head's queue, and the system's buffers.
    expect(offered).toBeLessThan(100);
    client.resume();
    await waitFor("all of it", () => offered === 400 && connection.queuedBytes === 0);
    // The welcome, too.
    expect(counters.framesOut).toBe(401);
  });

  test("takes from a page only what its agent takes", async () => {
    const [client] = await joined();
    atAgent[0]!.pauseReading();
    let taken = 0;
    const bytes = message(FrameType.notification, "{}", new Uint8Array(MIB));
    const feed = (): void => {
      if (taken < 200) client.write(bytes, () => (taken++, feed()));
    };
    feed();
    await settled(() => taken);
    expect(taken).toBeLessThan(80);
    atAgent[0]!.resumeReading();
    await waitFor("all of it", () => taken === 200);
  });

  test("takes sends of a pipe of fetches in turn only, and none that is too long", async () => {
    const opened = await fetch(new URL(WEB_DRIVER_PATH, http.url), { method: "POST" });
    const pipe = opened.headers.get("mobula-pipe")!;
    const send = async (sequence: string, body: Uint8Array<ArrayBuffer>, id = pipe): Promise<number> => {
      const headers = { "mobula-pipe": id, "mobula-sequence": sequence };
      return (await fetch(new URL(WEB_SEND_PATH, http.url), { method: "POST", headers, body })).status;
    };
    expect(await send("1", new Uint8Array(1))).toBe(409);
    expect(await send("x", new Uint8Array(1))).toBe(409);
    expect(await send("0", new Uint8Array(1), "another")).toBe(410);
    expect(await send("0", new Uint8Array(MIB + 1)).catch(() => 413)).toBe(413);
    expect(await send("0", Uint8Array.from(encodeFrame(FrameType.hello, 0, JSON.stringify(hello))))).toBe(
      204,
    );
    await waitFor("the agent to be reached", () => atAgent.length === 1);
    await opened.body!.cancel();
    await atAgent[0]!.closed;
    expect(await send("1", new Uint8Array(1))).toBe(410);
  });

  test("leaves every other request to the page's server", async () => {
    expect(await (await fetch(http.url)).text()).toBe("the page");
    expect((await fetch(new URL(WEB_DRIVER_PATH, http.url))).status).toBe(405);
  });
});

test("MOBULA_WEB_ORIGINS is a list of origins", () => {
  expect(webOrigins("")).toEqual([]);
  expect(webOrigins("https://a.example.org, http://localhost:5173")).toEqual(
    ["https://a.example.org", "http://localhost:5173"],
  );
  for (const wrong of ["*", "a.example.org", "https://a.example.org/", "https://a.example.org/x"]) {
    expect(() => webOrigins(wrong)).toThrow("MOBULA_WEB_ORIGINS");
  }
});
