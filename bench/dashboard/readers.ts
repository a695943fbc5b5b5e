/**
 * Readers of the live stream without a browser: what a tab on another machine costs the cluster, and what one costs that
 * does not read.
 * @module
 */
import { connect, type Socket } from "node:net";

export interface StreamReader {
  /** Bytes that came, headers included. */
  readonly bytes: () => number;
  /** Stop reading, and go on. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly close: () => void;
  /** The newest text that came. */
  readonly tail: () => string;
}

/** The cookie of a signed-in reader. */
export async function cookieOf(link: string): Promise<string> {
  const answer = await fetch(link, { redirect: "manual" });
  const cookie = answer.headers.get("set-cookie");
  if (cookie === null) throw new Error(`the link signs nobody in: ${answer.status}`);
  return cookie.split(";")[0]!;
}

const TAIL_KEPT = 4_000;

/** Open `path` ("/api/v1/stream?…") on a plain socket, so that not reading is not reading. */
export async function openReader(base: string, path: string, cookie: string): Promise<StreamReader> {
  const { hostname, port, host } = new URL(base);
  const socket: Socket = connect(Number(port), hostname);
  let bytes = 0;
  let tail = "";
  socket.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    tail = (tail + new TextDecoder().decode(chunk)).slice(-TAIL_KEPT);
  });
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\nSec-Fetch-Site: same-origin\r\n\r\n`,
  );
  return {
    bytes: () => bytes,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => void socket.destroy(),
    tail: () => tail,
  };
}
