/**
 * Every use of a connection between every pair of runtimes, as programs of their own.
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram, RUNTIMES } from "../../support/run_program.ts";
import { MIB, OBJECT_BYTES } from "./peer_methods.ts";
import { startPeerServer } from "./peers.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mobula-pair-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a client sees on either pipe. */
const ON_EVERY_PIPE = {
  wrongToken: "AuthenticationError",
  wrongCluster: "AuthenticationError",
  wrongVersion: "ProtocolError",
  peer: "welcome first",
  echo: ["größer", [3 * 1024 * 1024 + 1, 3]],
  echoSame: true,
  failed: "RangeError: not that far",
  inOrder: true,
  other: "alive",
  afterDestroy: "ConnectionClosedError",
  slow: { received: 600, isOrdered: true, isBounded: true, hasWaited: true },
  leaving: null,
  last: "still here",
  lastClose: null,
};

const EXPECTED = {
  ...ON_EVERY_PIPE,
  counted: { count: 1_000, bytes: 8_192_000 },
  size: 10 * 1024 * 1024 + 12_345,
  objectSame: true,
  broken: ["TransferError", 5 * 1024 * 1024],
  resumedSame: true,
  none: "ObjectNotHereError",
  referred: ["ReferredError", ["n-me-1", "n-2"]],
  insisted: OBJECT_BYTES,
  checked: [MIB, 2 * MIB, 2 * MIB + 1],
  aborted: "Error: enough",
  sinkError: "RangeError: no room",
  stranger: "AuthenticationError",
  breaches: ["closed", "closed", "404", "gone away", "closed"],
  bystander: "unharmed",
  ...Object.fromEntries(Object.entries(ON_EVERY_PIPE).map(([name, value]) => [`unix ${name}`, value])),
  "unix counted": { count: 2_000, bytes: 16_384_000 },
};

async function pair(
  server: typeof RUNTIMES[number],
  client: typeof RUNTIMES[number],
  tls?: "tls",
): Promise<void> {
  const socketPath = join(folder, `${server}-${client}-${tls ?? "clear"}.sock`);
  const peer = await startPeerServer(server, socketPath, tls);
  const args = [peer.address, socketPath, ...(tls === undefined ? [] : [tls])];
  const output = await runProgram(client, join(import.meta.dirname, "peer_client.ts"), { args });
  // Nothing is pinned any more, and each refusal was one failed hello (three on each pipe, one transfer).
  expect(await peer.end()).toEqual({ readersOpen: 0, failures: 7 });
  expect(JSON.parse(output)).toEqual(EXPECTED);
  expect(existsSync(socketPath)).toBe(false);
}

describe("connections, requests and transfers work between all runtimes", () => {
  for (const server of RUNTIMES) {
    for (const client of RUNTIMES) {
      test(`a ${client} client of a ${server} server`, () => pair(server, client), 30_000);
    }
  }
});

describe("and with TLS", () => {
  for (const [index, server] of RUNTIMES.entries()) {
    const client = RUNTIMES[(index + 1) % RUNTIMES.length]!;
    test(`a ${client} client of a ${server} server`, () => pair(server, client, "tls"), 30_000);
  }
});
