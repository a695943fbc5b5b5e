/**
 * What the machine allows: a unix-socket round trip and a bare HTTP/2 stream between two processes, and copying memory.
 * No framework can pass these; the ratios to them say what mobula adds.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { HTTP2_WINDOW_BYTES } from "../runtime/common/config.ts";
import type { Contestant } from "./timing.ts";

const MESSAGE_BYTES = 64;

/** Where the other process runs. */
export interface Place {
  /** Where it listens; default 127.0.0.1. */
  readonly host?: string;
  /** What its command line begins with; default nothing. */
  readonly command?: readonly string[];
}

export class RawPeer {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  /** What a transfer moves, warm. */
  readonly #received: Uint8Array;

  private constructor(child: ChildProcess, socket: Socket, session: ClientHttp2Session, bytes: number) {
    this.#received = new Uint8Array(bytes).fill(2);
    this.#child = child;
    this.#socket = socket;
    this.#session = session;
  }

  /** Start the other process; `bytes` is what a transfer moves. */
  static async start(folder: string, bytes: number, place: Place = {}): Promise<RawPeer> {
    const { host = "127.0.0.1", command = [] } = place;
    const program = fileURLToPath(new URL("./raw_peer.ts", import.meta.url));
    const path = join(folder, "raw.sock");
    const [first, ...rest] = [...command, process.execPath, program, path, String(bytes), host];
    const child = spawn(first!, rest, {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const port = await new Promise<string>((resolve, reject) => {
      child.stdout!.once("data", (chunk: Uint8Array) => resolve(String(chunk).trim()));
      child.once("exit", (code) => reject(new Error(`raw_peer.ts ended with code ${code}`)));
    });
    const socket = connect(path);
    await new Promise((resolve) => socket.once("connect", resolve));
    const session = connectHttp2(`http://${host}:${port}`, {
      settings: { initialWindowSize: HTTP2_WINDOW_BYTES },
    });
    await new Promise((resolve) => session.once("connect", resolve));
    session.setLocalWindowSize(HTTP2_WINDOW_BYTES);
    return new RawPeer(child, socket, session, bytes);
  }

  get roundTrip(): Contestant {
    return {
      name: "raw unix-socket round trip",
      slice: async (operations, lap) => {
        const message = new Uint8Array(MESSAGE_BYTES);
        for (let index = 0; index < operations; index++) {
          const answered = new Promise((resolve) => this.#socket.once("data", resolve));
          this.#socket.write(message);
          await answered;
          lap();
        }
      },
    };
  }

  /** `count` messages in one write, and all of them back: what no pipeline of small messages can pass. */
  echo(count: number): Contestant {
    return {
      name: `raw unix-socket echo, ${count.toLocaleString("en-US")} in flight`,
      slice: async (operations) => {
        const messages = new Uint8Array(MESSAGE_BYTES * count);
        for (let done = 0; done < operations; done += count) {
          let missing = messages.length;
          const answered = new Promise<void>((resolve) => {
            const take = (chunk: Uint8Array): void => {
              missing -= chunk.length;
              if (missing > 0) return;
              this.#socket.off("data", take);
              resolve();
            };
            this.#socket.on("data", take);
          });
          this.#socket.write(messages);
          await answered;
        }
      },
    };
  }

  /** One transfer, into memory that stays: who drops what comes has not received it. */
  get stream(): Contestant {
    return {
      name: "raw node:http2 stream, into memory",
      slice: async (operations) => {
        for (let index = 0; index < operations; index++) {
          const stream = this.#session.request({ ":path": "/" });
          let at = 0;
          stream.on("data", (bytes: Uint8Array) => {
            this.#received.set(bytes, at);
            at += bytes.length;
          });
          await new Promise((resolve, reject) => {
            stream.once("end", resolve);
            stream.once("error", reject);
          });
          if (at !== this.#received.length) throw new Error(`${at} bytes came`);
        }
      },
    };
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    this.#session.destroy();
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin!.end();
    await ended;
  }
}

/** Copying `bytes` within this process, both sides touched before. */
export function memoryCopy(bytes: number): Contestant {
  const source = new Uint8Array(bytes).fill(1);
  const target = new Uint8Array(bytes).fill(2);
  return {
    name: "memory copy (warm)",
    slice: async (operations) => {
      for (let index = 0; index < operations; index++) target.set(source);
    },
  };
}
