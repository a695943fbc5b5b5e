/**
 * Two connections that are each other's peer over a real unix socket, and a listener, for the tests of this folder.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROTOCOL_VERSION } from "../../../runtime/common/config.ts";
import type { Hello } from "../../../runtime/protocol/messages.ts";
import type { Connection, ConnectionOptions } from "../../../runtime/io/transport/connection.ts";
import { Gate, type GateOptions } from "../../../runtime/io/transport/handshake.ts";
import { connectUnix, listenUnix, type UnixListener } from "../../../runtime/io/transport/unix.ts";

export const HELLO: Hello = {
  version: PROTOCOL_VERSION,
  token: "test-6f1d0c",
  role: "worker",
  id: "w-test",
  clusterId: "c-test",
  epoch: 0,
  pid: 1,
  runtime: "bun",
  purpose: "control",
};

/** A listener in a folder of its own; what connects comes out of `next()`. Disposing it leaves nothing behind. */
export class TestListener implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "mobula-unix-"));
  readonly path: string = join(this.folder, "a.sock");
  readonly gate: Gate;
  #listener: UnixListener | null = null;
  #arrived: Connection[] = [];
  #waiting: ((connection: Connection) => void)[] = [];

  constructor(gate: Partial<GateOptions> = {}) {
    this.gate = new Gate({
      token: HELLO.token,
      clusterId: "c-test",
      accept: (hello) => ({ version: PROTOCOL_VERSION, clusterId: "c-test", id: hello.id }),
      ...gate,
    });
  }

  async listen(connection: ConnectionOptions = {}): Promise<this> {
    this.#listener = await listenUnix({
      path: this.path,
      gate: this.gate,
      connection,
      onConnection: (connection) => {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#arrived.push(connection);
        else waiting(connection);
      },
    });
    return this;
  }

  connect(hello: Partial<Hello> = {}, connection: ConnectionOptions = {}): Promise<Connection> {
    return connectUnix({ path: this.path, hello: { ...HELLO, ...hello }, connection });
  }

  next(): Promise<Connection> {
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return Promise.resolve(arrived);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** [client, server] ends of one new connection. */
  async pair(connection: ConnectionOptions = {}): Promise<[Connection, Connection]> {
    return await Promise.all([this.connect({}, connection), this.next()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Resolves with what onClose is told. Fails the test when it is told twice. */
export function closed(connection: Connection): Promise<Error | null> {
  let times = 0;
  return new Promise((resolve, reject) => {
    connection.onClose = (error) => {
      times += 1;
      if (times > 1) reject(new Error("onClose was called twice"));
      resolve(error);
    };
  });
}
