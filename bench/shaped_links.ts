/**
 * Hosts with links of a limited rate, on this machine: each a network namespace with a virtual link to one bridge, both of
 * whose ends tc slows down. Needs root and iproute2; what was made is removed, also when the process ends early.
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";

/** A private network that nobody else is likely to use. */
const NETWORK = "10.213.97";
/** Room for a burst, and how long a packet may wait before it is dropped, so that TCP reaches the rate. */
const SHAPE = ["burst", "256kb", "latency", "100ms"] as const;

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
    const probe = new ShapedLinks(1);
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
  static make(hosts: number, megabits: number): ShapedLinks {
    const links = new ShapedLinks(megabits);
    try {
      links.#build(hosts);
    } catch (error) {
      links.remove();
      throw error;
    }
    return links;
  }

  readonly #rate: string;

  private constructor(megabits: number) {
    this.#rate = `${megabits}mbit`;
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

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${String(stderr).trim()}`);
}
