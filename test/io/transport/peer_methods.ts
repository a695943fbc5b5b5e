/**
 * What the two programs of the pairing test (peer_server.ts, peer_client.ts) share.
 * @module
 */
import { PROTOCOL_VERSION } from "../../../runtime/common/config.ts";
import type { Hello } from "../../../runtime/protocol/messages.ts";
import type { Method, Notification } from "../../../runtime/protocol/method.ts";
import type { TlsOptions } from "../../../runtime/io/transport/http2.ts";
import { TEST_TLS } from "./tls_fixture.ts";

export const TOKEN: string = "a token of the pairing test";
export const CLUSTER: string = "c-pairing";
export const MIB: number = 1024 * 1024;
/** What the server's connections may queue. */
export const QUEUE_BYTES_MAX: number = 4 * MIB;
export const OBJECT_BYTES: number = 10 * MIB + 12_345;

export interface ServerMethods {
  echo: Method<{ text: string }, { text: string }>;
  /** How many `count` notifications came on all connections, and how many bytes beside them. */
  counted: Method<Record<string, never>, { count: number; bytes: number }>;
  fail: Method<Record<string, never>, Record<string, never>>;
  /** Send `flood` notifications as fast as the connection takes them; answers the largest queue seen. */
  flood: Method<{ count: number; bytes: number }, { queuedMax: number; waits: number }>;
  count: Notification<Record<string, never>>;
}
export interface ClientMethods {
  flood: Notification<{ index: number }>;
}

/** The programs' last argument: "tls" or nothing. */
export function tlsOf(argument: string | undefined): TlsOptions | undefined {
  return argument === "tls" ? TEST_TLS : undefined;
}

export function objectBytes(): Uint8Array {
  const bytes = new Uint8Array(OBJECT_BYTES);
  for (let index = 0; index < bytes.length; index += 4_096) bytes[index] = index % 251;
  return bytes;
}

export function hello(id: string): Hello {
  return {
    version: PROTOCOL_VERSION,
    token: TOKEN,
    role: "agent",
    id,
    clusterId: CLUSTER,
    epoch: 1,
    pid: process.pid,
    runtime: "node",
    purpose: "control",
  };
}
