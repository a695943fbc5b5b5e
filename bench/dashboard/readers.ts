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
  /** The newest frame of a topic that came whole; empty before the first. */
  readonly newest: (topic: string) => string;
}

/** The cookie of a signed-in reader. */
export async function cookieOf(link: string): Promise<string> {
  const answer = await fetch(link, { redirect: "manual" });
  const cookie = answer.headers.get("set-cookie");
  if (cookie === null) throw new Error(`the link signs nobody in: ${answer.status}`);
  return cookie.split(";")[0]!;
}

/** Open `path` ("/api/v1/stream?…") on a plain socket, so that not reading is not reading. */
export async function openReader(base: string, path: string, cookie: string): Promise<StreamReader> {
  const { hostname, port, host } = new URL(base);
  const socket: Socket = connect(Number(port), hostname);
  let bytes = 0;
  const decoder = new TextDecoder();
  const frames = new Map<string, string>();
  let rest = "";
  socket.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    // Between the frames' lines stand the lengths of HTTP's chunks.
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const topic = /^\{"seq":\d+,"topic":"(\w+)"/.exec(line)?.[1];
      if (topic !== undefined) frames.set(topic, line);
    }
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
    newest: (topic) => frames.get(topic) ?? "",
  };
}
