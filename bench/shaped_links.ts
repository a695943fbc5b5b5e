/**
 * Hosts with links of a limited rate, on this machine: each a network namespace with a virtual link to one bridge, both of
 * whose ends tc slows down, all of it or each connection by itself. Needs root and iproute2; what was made is removed, also when the process ends early.
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";

/** A private network that nobody else is likely to use. */
const NETWORK = "10.213.97";
/** Room for a burst, and how long a packet may wait before it is dropped, so that TCP reaches the rate. */
const SHAPE = ["burst", "256kb", "latency", "100ms"] as const;
/** Connections are told apart by so many bits of their receiver's port, but for the lowest, which is the same for most. */
const PORT_BITS = 4;

/** What is limited to the rate: each link in both directions, or each connection over which a host sends. */
export type Limited = "link" | "each connection";

export class ShapedLinks {
  /** This machine's own address; its link has no limit. */
  readonly address: string = `${NETWORK}.1`;
  readonly #bridge = `mb${process.pid}`;
  readonly #hosts: string[] = [];
  readonly #onExit = (): void => this.remove();

  /** Why it cannot be had here; null when it can. */
  static whyNot(): string | null {
    const hasTools = ["ip", "tc"].every((tool) => spawnSync(tool, ["-V"]).status === 0);
    if (process.getuid?.() !== 0 || !hasTools) return "skipped: needs root and tc";
    const probe = new ShapedLinks(1, "each connection");
    try {
      probe.#build(1);
      return null;
    } catch (error) {
      return `skipped: ${(error as Error).message}`;
    } finally {
      probe.remove();
    }
  }

  /** So many hosts, each sends and receives at most `megabits` a second. Throws with what the system said. */
  static make(hosts: number, megabits: number, limited: Limited = "link"): ShapedLinks {
    const links = new ShapedLinks(megabits, limited);
    try {
      links.#build(hosts);
    } catch (error) {
      links.remove();
      throw error;
    }
    return links;
  }

  readonly #rate: string;
  readonly #limited: Limited;

  private constructor(megabits: number, limited: Limited) {
    this.#rate = `${megabits}mbit`;
    this.#limited = limited;
  }

  #build(hosts: number): void {
    process.on("exit", this.#onExit);
    run("ip", "link", "add", this.#bridge, "type", "bridge");
    run("ip", "address", "add", `${this.address}/24`, "dev", this.#bridge);
    run("ip", "link", "set", this.#bridge, "up");
    for (let n = 0; n < hosts; n++) this.#addHost(n);
  }

  #addHost(n: number): void {
    const name = `${this.#bridge}-${n}`;
    const inside = ["netns", "exec", name] as const;
    run("ip", "netns", "add", name);
    this.#hosts.push(name);
    run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
    run("ip", "link", "set", name, "master", this.#bridge, "up");
    run("ip", ...inside, "ip", "link", "set", "lo", "up");
    run("ip", ...inside, "ip", "address", "add", `${this.addressOf(n)}/24`, "dev", "eth0");
    run("ip", ...inside, "ip", "link", "set", "eth0", "up");
    if (this.#limited === "each connection") return limitConnections(name, this.#rate);
    // What it receives, then what it sends.
    run("tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", this.#rate, ...SHAPE);
    run("ip", ...inside, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", this.#rate, ...SHAPE);
  }

  addressOf(host: number): string {
    return `${NETWORK}.${host + 10}`;
  }

  /** What to put before a command to run it on a host. */
  commandOn(host: number): string[] {
    return ["ip", "netns", "exec", this.#hosts[host]!];
  }

  /** Idempotent. The hosts' processes are the caller's to end. */
  remove(): void {
    process.off("exit", this.#onExit);
    for (const name of this.#hosts.splice(0)) {
      // A namespace itself stays as long as anything in it; its link must not.
      spawnSync("ip", ["link", "delete", name]);
      spawnSync("ip", ["netns", "delete", name]);
    }
    spawnSync("ip", ["link", "delete", this.#bridge]);
  }
}

/** What this host sends: a class of traffic for each of the ports' patterns; what has none of them is not limited. */
function limitConnections(host: string, rate: string): void {
  const tc = (...args: string[]): void => run("ip", "netns", "exec", host, "tc", ...args);
  tc("qdisc", "add", "dev", "eth0", "root", "handle", "1:", "htb");
  const mask = (2 ** PORT_BITS - 1) << 1;
  for (let n = 0; n < 2 ** PORT_BITS; n++) {
    const flow = `1:${(n + 1).toString(16)}`;
    tc(
      "class",
      "add",
      "dev",
      "eth0",
      "parent",
      "1:",
      "classid",
      flow,
      "htb",
      "rate",
      rate,
      "quantum",
      "60000",
    );
    const match = ["u32", "match", "ip", "dport", String(n << 1), `0x${mask.toString(16)}`];
    tc("filter", "add", "dev", "eth0", "parent", "1:", "protocol", "ip", ...match, "flowid", flow);
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${String(stderr).trim()}`);
}
