/**
 * The other end of the raw limits, a process of its own: echoes on a unix socket and serves bytes by bare node:http2.
 *
 *   raw_peer.ts SOCKET_PATH BYTES [HOST]      prints the HTTP/2 port when ready, ends when stdin does
 * @module
 */
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import process from "node:process";
import { HTTP2_WINDOW_BYTES } from "../runtime/common/config.ts";

const WRITE_BYTES = 1024 * 1024;

const [socketPath, bytesText, host = "127.0.0.1"] = process.argv.slice(2);
const bytes = new Uint8Array(Number(bytesText)).fill(1);

createServer((socket) => socket.on("data", (chunk: Uint8Array) => socket.write(chunk))).listen(socketPath);

const server = createHttp2({ settings: { initialWindowSize: HTTP2_WINDOW_BYTES } });
server.on("session", (session) => session.setLocalWindowSize(HTTP2_WINDOW_BYTES));
server.on("stream", async (stream) => {
  stream.on("error", () => undefined);
  stream.respond({ ":status": 200 });
  for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
    if (stream.write(bytes.subarray(at, at + WRITE_BYTES))) continue;
    await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
});
server.listen(0, host, () => console.log((server.address() as AddressInfo).port));

process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
