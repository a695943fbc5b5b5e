/** mobula/web in an edge function, in workerd: a request's driver runs tasks and an actor, over a WebSocket and over fetch. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testUnless } from "../support/skip.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { EXPECTED } from "./programs/exercise.ts";
import { bundleFor, WebCluster } from "./web_cluster.ts";

const arch = process.arch === "x64" ? "64" : process.arch;
const binary = join(
  import.meta.dirname,
  `../../node_modules/@cloudflare/workerd-${process.platform}-${arch}/bin/workerd`,
);
const edgeTest = testUnless(existsSync(binary) ? null : "workerd has no binary for this machine");
const TIMEOUT_MS = 60_000;

const leftovers = watchLeftovers();
const cluster = new WebCluster();
const folder = mkdtempSync(join(tmpdir(), "mobula-test-edge-"));
let workerd: ChildProcess | null = null;
let url = "";

/** Workerd's configuration: one function, the cluster's address and token bound to it, and private addresses allowed. */
function configOf(address: string, token: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .edge), (name = "internet", network = (allow = ["public", "private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const edge :Workerd.Worker = (
  modules = [(name = "edge.js", esModule = embed "edge.js")],
  compatibilityDate = "2026-10-01",
  bindings = [(name = "URL", text = ${JSON.stringify(address)}), (name = "TOKEN", text = ${
    JSON.stringify(token)
  })],
);
`;
}

beforeAll(async () => {
  if (!existsSync(binary)) return;
  await cluster.start();
  writeFileSync(join(folder, "edge.js"), await bundleFor("edge.ts", "esm"));
  writeFileSync(join(folder, "config.capnp"), configOf(cluster.url, cluster.token), { mode: 0o600 });
  // It tells its port on the descriptor that it is given.
  workerd = spawn(binary, ["serve", join(folder, "config.capnp"), "--control-fd=3"], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const control = workerd.stdio[3] as NodeJS.ReadableStream;
  url = await new Promise((resolve, reject) => {
    workerd!.once("exit", (code) => reject(new Error(`workerd ended with ${code}`)));
    control.on("data", (chunk) => {
      const port = /"port":\s*(\d+)/.exec(String(chunk))?.[1];
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
    });
  });
}, TIMEOUT_MS);
afterAll(async () => {
  if (workerd !== null) {
    const ended = new Promise((resolve) => workerd!.once("exit", resolve));
    workerd.kill();
    await ended;
  }
  await cluster.end();
  rmSync(folder, { recursive: true, force: true });
  await leftovers.check();
}, TIMEOUT_MS);

describe("an edge function", () => {
  for (const transport of ["websocket", "fetch"] as const) {
    edgeTest(`is a driver by ${transport}`, async () => {
      for (let request = 0; request < 2; request++) {
        const response = await fetch(`${url}/${transport}`);
        const text = await response.text();
        expect(text).toStartWith("{");
        expect(JSON.parse(text)).toEqual(EXPECTED as never);
      }
    }, TIMEOUT_MS);
  }
});
