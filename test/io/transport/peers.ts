/**
 * Starts the two programs of the pairing tests and tells when they are done.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Runtime, runtimeCommand } from "../../support/run_program.ts";

export interface PeerServer {
  readonly address: string;
  readonly child: ChildProcess;
  /** End it and give its last line: what it has left open. Rejects when it did not end well. */
  end(): Promise<unknown>;
}

/** Start peer_server.ts; resolves when it listens. */
export async function startPeerServer(
  runtime: Runtime,
  socketPath: string,
  tls?: "tls",
): Promise<PeerServer> {
  const [binary, ...args] = runtimeCommand(runtime, join(import.meta.dirname, "peer_server.ts"));
  const child = spawn(binary!, [...args, socketPath, ...(tls === undefined ? [] : [tls])]);
  let output = "";
  let errors = "";
  const listening = Promise.withResolvers<string>();
  child.stdout.on("data", (chunk: Uint8Array) => {
    output += new TextDecoder().decode(chunk);
    if (output.includes("\n")) listening.resolve(JSON.parse(output.slice(0, output.indexOf("\n"))).address);
  });
  child.stderr.on("data", (chunk: Uint8Array) => errors += new TextDecoder().decode(chunk));
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  closed.then((code) => listening.reject(new Error(`${runtime} server ended with ${code}: ${errors}`)));
  const address = await listening.promise;
  return {
    address,
    child,
    end: async () => {
      child.stdin.end();
      const code = await closed;
      if (code !== 0) throw new Error(`${runtime} server ended with ${code ?? child.signalCode}: ${errors}`);
      return JSON.parse(output.trim().split("\n").at(-1)!);
    },
  };
}
