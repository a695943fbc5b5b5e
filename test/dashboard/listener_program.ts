/**
 * What the HTTP listener must do on every runtime, as a program: it prints what it saw as JSON.
 * @module
 */
import { connect } from "node:net";
import { createServer } from "node:net";
import process from "node:process";
import { listenHttp } from "../../dashboard/server/serve.ts";

const CHUNK_BYTES = 256 * 1024;
let chunksMade = 0;
let cancelled = 0;

function answer(request: Request): Response | Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/echo") return request.arrayBuffer().then((body) => new Response(body));
  if (pathname === "/flood") {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunksMade++;
        controller.enqueue(new Uint8Array(CHUNK_BYTES));
        // A turn between chunks, as a stream of frames has.
        return new Promise((resolve) => setImmediate(resolve));
      },
      cancel() {
        cancelled++;
      },
    }, { highWaterMark: 0 });
    return new Response(body);
  }
  const headers = new Headers({ "x-method": request.method, "x-host": request.headers.get("host") ?? "" });
  headers.append("set-cookie", "a=1");
  headers.append("set-cookie", "b=2");
  return new Response(`you asked for ${pathname}`, { status: 201, headers });
}

/** Resolves when the value has not changed for a while. */
async function settled(value: () => number): Promise<number> {
  for (let before = -1;;) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    if (value() === before) return before;
    before = value();
  }
}

/** The port after a taken one. */
async function nextFree(): Promise<boolean> {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as { port: number };
  const other = await listenHttp({ fetch: answer, host: "127.0.0.1", port });
  const moved = other.port > port;
  await other.close();
  await new Promise((resolve) => taken.close(resolve));
  return moved;
}

const listener = await listenHttp({ fetch: answer, host: "127.0.0.1", port: 0 });
const response = await fetch(`${listener.url}some/path?x=1`, { headers: { "x-y": "z" } });
const simple = {
  status: response.status,
  body: await response.text(),
  cookies: response.headers.getSetCookie(),
  method: response.headers.get("x-method"),
};
const head = await fetch(listener.url, { method: "HEAD" });
const headStatus = [head.status, head.headers.get("x-method")];

// A body is read by whoever wants it; another does not hold up what comes after it.
const bytes = new Uint8Array(1_000_000).map((_, i) => i % 251);
const echo = await fetch(`${listener.url}echo`, { method: "POST", body: bytes });
const echoed = new Uint8Array(await echo.arrayBuffer());
const isEchoed = echoed.length === bytes.length && echoed.every((byte, i) => byte === bytes[i]);
const unread = await fetch(`${listener.url}other`, { method: "POST", body: bytes });
const bodies = [isEchoed, unread.status, (await fetch(listener.url)).status];

// A client that asks and never reads.
const stalled = connect(listener.port, "127.0.0.1");
stalled.pause();
stalled.write("GET /flood HTTP/1.1\r\nhost: localhost\r\n\r\n");
const madeForStalled = await settled(() => chunksMade);
stalled.destroy();
while (cancelled === 0) await new Promise((resolve) => setTimeout(resolve, 10));

// A client that sends no HTTP closes nobody else's connection.
const noise = connect(listener.port, "127.0.0.1");
noise.on("error", () => {});
noise.end("\u0000\u0001 this is no request\r\n\r\n");
const afterNoise = (await fetch(listener.url)).status;

// Closing ends what is open.
const open = await fetch(`${listener.url}flood`);
await listener.close();
let ended = false;
try {
  for await (const _ of open.body!);
} catch {
  ended = true;
}
const portMoves = await nextFree();
console.log(JSON.stringify({
  simple,
  headStatus,
  bodies,
  megabytesForStalled: madeForStalled * CHUNK_BYTES / 2 ** 20,
  cancelled: cancelled >= 1,
  afterNoise,
  ended,
  portMoves,
}));
process.exit(0);
