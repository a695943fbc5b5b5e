/**
 * The command line's connection to the head: finds the address and the token, says hello as a "cli", asks, and closes.
 * @module
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { runtimeName } from "#platform";
import { PROTOCOL_VERSION } from "../common/config.ts";
import { AuthenticationError } from "../common/errors.ts";
import { connectHttp2 } from "../io/transport/http2_client.ts";
import { parseAddress } from "../io/transport/http2.ts";
import { Rpc, type RpcAnswer } from "../io/transport/rpc.ts";
import {
  type ClusterFile,
  defaultSessionDir,
  readTlsFiles,
  readToken,
  type TlsFiles,
} from "../process/config.ts";
import { runningCluster } from "../process/session.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import { UnreachableError } from "./unreachable_error.ts";
import { type ParsedArguments, UsageError } from "./usage.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;

/** A connection that asks the head. */
export interface HeadClient {
  readonly address: string;
  ask<M extends keyof HeadMethods>(
    method: M,
    params: HeadMethods[M]["params"],
  ): Promise<HeadMethods[M]["result"]>;
  /** The same with bytes both ways, and a time limit of its own. */
  request<M extends keyof HeadMethods>(
    method: M,
    params: HeadMethods[M]["params"],
    sections: readonly Uint8Array[],
    timeoutMs?: number,
  ): Promise<RpcAnswer<HeadMethods[M]["result"]>>;
  /** Whether the connection stands. */
  readonly isOpen: boolean;
  close(): void;
}

/** How to reach a cluster: its head's address, its token, and what TLS needs. */
export interface Destination {
  readonly address: string;
  readonly token: string;
  readonly tls: TlsFiles | null;
}

/** Connect, use, close, whatever happens. */
export async function withHead<T>(args: ParsedArguments, use: (head: HeadClient) => Promise<T>): Promise<T> {
  const head = await connectHead(destinationOf(args));
  try {
    return await use(head);
  } finally {
    head.close();
  }
}

/** From the flags, the environment and the cluster that runs here, in this order. */
export function destinationOf(args: ParsedArguments): Destination {
  const cluster = runningCluster(defaultSessionDir());
  const given = args.text("address") ?? (process.env.MOBULA_ADDRESS || null);
  const address = given === null || given === "auto" ? cluster?.address : given;
  if (address === undefined) {
    throw new UnreachableError(
      `No cluster runs here (session folder ${defaultSessionDir()}); start one with \`mobula start --head\`, or say which ` +
        "by --address or MOBULA_ADDRESS",
    );
  }
  checkAddress(address);
  const token = findToken(args);
  if (token === null) {
    throw new AuthenticationError(
      `No token for ${address}: give --token-file or MOBULA_TOKEN (the head's session folder holds it, file \`token\`)`,
    );
  }
  return { address, token, tls: tlsOf(args) ?? localTls(cluster, address) };
}

/** Connect to a head and say hello. UnreachableError and AuthenticationError name the address and the reason. */
export async function connectHead(destination: Destination): Promise<HeadClient> {
  const { address, token, tls } = destination;
  try {
    const connection = await connectHttp2({
      address,
      path: "/control",
      timeoutMs: CONNECT_TIMEOUT_MS,
      ...(tls === null ? {} : { tls: readTlsFiles(tls) }),
      hello: {
        version: PROTOCOL_VERSION,
        token,
        role: "cli",
        id: `c-${randomBytes(6).toString("hex")}`,
        clusterId: null,
        epoch: 0,
        pid: process.pid,
        runtime: runtimeName,
        purpose: "control",
      },
    });
    const rpc = new Rpc<Record<never, never>, HeadMethods>(connection);
    const request: HeadClient["request"] = async (method, params, sections, timeoutMs) =>
      await rpc.request(method, params as never, sections, {
        timeoutMs: timeoutMs ?? REQUEST_TIMEOUT_MS,
      }) as never;
    return {
      address,
      request,
      ask: async (method, params) => (await request(method, params, [])).result,
      get isOpen() {
        return connection.isOpen;
      },
      close: () => connection.close(),
    };
  } catch (error) {
    const reason = (error as Error).message;
    if (error instanceof AuthenticationError) {
      throw new AuthenticationError(`The cluster at ${address} does not let us in: ${reason}`, {
        cause: error,
      });
    }
    const where = reason.includes(address) ? "" : ` at ${address}`;
    throw new UnreachableError(`Cannot reach the cluster${where}: ${reason}`, { cause: error });
  }
}

/** --token-file, else MOBULA_TOKEN, else the session's token; null when there is none. */
export function findToken(args: ParsedArguments): string | null {
  const file = args.text("token-file");
  if (file !== null) {
    try {
      const token = readFileSync(file, "utf8").trim();
      if (token === "") throw new Error("it is empty");
      return token;
    } catch (error) {
      throw new UsageError(`Cannot read the token from ${file}: ${(error as Error).message}`);
    }
  }
  if (process.env.MOBULA_TOKEN) return process.env.MOBULA_TOKEN;
  try {
    return readToken(defaultSessionDir()) || null;
  } catch {
    return null; // No session here.
  }
}

/** The TLS flags: all three files, readable, or none. */
export function tlsOf(args: ParsedArguments): TlsFiles | null {
  const flags = ["tls-cert", "tls-key", "tls-ca"] as const;
  const paths = flags.map((flag) => args.text(flag));
  if (paths.every((path) => path === null)) return null;
  const missing = flags.filter((_, i) => paths[i] === null);
  if (missing.length > 0) {
    throw new UsageError(`TLS needs all of --tls-cert, --tls-key and --tls-ca: --${missing[0]} is missing`);
  }
  for (const [i, path] of paths.entries()) {
    try {
      readFileSync(path!);
    } catch (error) {
      throw new UsageError(`Cannot read --${flags[i]}: ${(error as Error).message}`);
    }
  }
  const absolute = paths.map((path) => resolve(path!));
  return { certFile: absolute[0]!, keyFile: absolute[1]!, caFile: absolute[2]! };
}

/** UsageError unless it is HOST:PORT. */
export function checkAddress(address: string): void {
  try {
    parseAddress(address);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function localTls(cluster: ClusterFile | null, address: string): TlsFiles | null {
  return cluster?.address === address ? cluster.tls ?? null : null;
}
