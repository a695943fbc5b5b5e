/**
 * A real libSQL server for tests: a primary, or a replica of one, on ports of its own.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { sqldPath } from "../../support/toolchain.ts";
import { until } from "./store_fixture.ts";

export interface SqldOptions {
  readonly dir: string;
  readonly name: string;
  /** Ports of an earlier start, to come back at the same address. */
  readonly ports?: { http: number; grpc: number };
  /** The primary that this one replicates. */
  readonly primary?: Sqld;
}

export interface Sqld {
  readonly url: string;
  readonly ports: { readonly http: number; readonly grpc: number };
  /** kill -9, and wait until it is gone. */
  kill(): Promise<void>;
}

/** Resolves when the server answers a query. */
export async function startSqld(options: SqldOptions): Promise<Sqld> {
  const ports = options.ports ?? { http: await freePort(), grpc: await freePort() };
  const args = [
    "--db-path",
    join(options.dir, options.name),
    "--http-listen-addr",
    `127.0.0.1:${ports.http}`,
  ];
  if (options.primary === undefined) args.push("--grpc-listen-addr", `127.0.0.1:${ports.grpc}`);
  else args.push("--primary-grpc-url", `http://127.0.0.1:${options.primary.ports.grpc}`);
  const child: ChildProcess = spawn(sqldPath()!, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  let said = "";
  child.stderr!.on(
    "data",
    (chunk: Uint8Array) => said = (said + new TextDecoder().decode(chunk)).slice(-4_000),
  );
  let exited = false;
  const exit = new Promise<void>((resolve) =>
    child.on("exit", () => {
      exited = true;
      resolve();
    })
  );
  const url = `http://127.0.0.1:${ports.http}`;
  await until(async () => {
    if (exited) throw new Error(`sqld ended: ${said}`);
    const client = createClient({ url });
    try {
      await client.execute("SELECT 1");
      return true;
    } catch {
      return false;
    } finally {
      client.close();
    }
  });
  return {
    url,
    ports,
    async kill() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
