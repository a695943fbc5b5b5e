/**
 * Addresses between hosts: where others reach a process that listens everywhere, and which hosts are this one.
 * @module
 */
import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::", "::0"]);

/** What a list of network interfaces says of one address; a part of node:os's. */
export interface InterfaceAddress {
  readonly address: string;
  readonly family: string;
  readonly internal: boolean;
}

/**
 * Where others reach what listens on `host`: the host itself; for 0.0.0.0 and :: this machine's first address that is not
 * loopback, because a peer that is told a wildcard finds itself there. Who has several networks names the address.
 */
export function reachableHost(host: string, addresses: readonly InterfaceAddress[] = ownAddresses()): string {
  if (!WILDCARDS.has(host)) return host;
  const outside = addresses.filter(({ address, internal }) => !internal && !/^fe80:/i.test(address));
  const first = outside.find(({ family }) => family === "IPv4") ??
    (host === "0.0.0.0" ? undefined : outside[0]);
  return first?.address ?? "127.0.0.1";
}

/** Whether `host` (a name or an address) is this machine; false for a name that nobody knows. */
export async function isThisMachine(host: string): Promise<boolean> {
  const found = await lookup(host, { all: true }).catch(() => []);
  const own = new Set(ownAddresses().map(({ address }) => address));
  return found.some(({ address }) => isLoopback(address) || own.has(address));
}

/** Whether only this machine reaches it: localhost, 127.0.0.0/8, ::1. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function ownAddresses(): InterfaceAddress[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
}
