/** Where others reach a process, and which hosts are this machine. */
import { expect, test } from "bun:test";
import {
  type InterfaceAddress,
  isLoopback,
  isThisMachine,
  reachableHost,
} from "../../../runtime/io/transport/reachable_host.ts";

const loopback: InterfaceAddress = { address: "127.0.0.1", family: "IPv4", internal: true };
const four: InterfaceAddress = { address: "192.0.2.7", family: "IPv4", internal: false };
const six: InterfaceAddress = { address: "2001:db8::7", family: "IPv6", internal: false };
const local: InterfaceAddress = { address: "fe80::1", family: "IPv6", internal: false };

test("a wildcard is told to others as this machine's address, any other host as it is", () => {
  expect(reachableHost("0.0.0.0", [loopback, local, six, four])).toBe("192.0.2.7");
  expect(reachableHost("::", [loopback, local, six])).toBe("2001:db8::7");
  expect(reachableHost("0.0.0.0", [loopback, six])).toBe("127.0.0.1");
  expect(reachableHost("::", [loopback, local])).toBe("127.0.0.1");
  expect(reachableHost("127.0.0.1", [four])).toBe("127.0.0.1");
  expect(reachableHost("node-a.example", [four])).toBe("node-a.example");
});

test("loopback is this machine, an address of a documentation network and an unknown name are not", async () => {
  for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1"]) expect(isLoopback(host)).toBe(true);
  for (const host of ["0.0.0.0", "192.0.2.7", "example"]) expect(isLoopback(host)).toBe(false);
  expect(await isThisMachine("localhost")).toBe(true);
  expect(await isThisMachine("203.0.113.7")).toBe(false);
  expect(await isThisMachine("no-such-host.invalid")).toBe(false);
});
