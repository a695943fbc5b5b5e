/**
 * The simulated network: connections that deliver in order after random delays, and that break (what is under way is lost
 * and each end learns it at its own time), stand still during a partition, or end with a host; and datagrams (heartbeats),
 * which are lost, doubled and overtaken.
 * @module
 */
import type { Prng } from "../../runtime/common/prng.ts";
import type { EventLoop } from "./event_loop.ts";

/** One process on the network. A restarted one is another host. */
export interface Host {
  /** The machine's name; partitions are between machines. */
  readonly machine: string;
  alive: boolean;
  /** Messages stay unread until then: the process stands still. */
  pausedUntilMs: number;
}

/** One end of a connection. */
export class Channel {
  onMessage: (message: unknown) => void = () => undefined;
  onClose: () => void = () => undefined;
  readonly host: Host;
  readonly #connection: Connection;

  constructor(host: Host, connection: Connection) {
    this.host = host;
    this.#connection = connection;
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  send(message: unknown): void {
    this.#connection.send(this, message);
  }

  /** Ends the connection; the other end learns it. */
  close(): void {
    this.#connection.break();
  }
}

class Connection {
  readonly #network: Network;
  readonly ends: readonly [Channel, Channel];
  isOpen: boolean = true;
  /** When the last message under way to either end arrives. */
  readonly #lastMs: [number, number] = [0, 0];
  /** What has arrived while the link was cut, by receiving end. */
  readonly #held: [unknown[], unknown[]] = [[], []];
  /** What has arrived at an end that stands still, in order: pauses overlap, and one may end before an earlier one. */
  readonly #unread: [unknown[], unknown[]] = [[], []];

  constructor(network: Network, from: Host, to: Host) {
    this.#network = network;
    this.ends = [new Channel(from, this), new Channel(to, this)];
  }

  send(from: Channel, message: unknown): void {
    if (!this.isOpen || !from.host.alive) return;
    const to = from === this.ends[0] ? 1 : 0;
    const { loop } = this.#network;
    const atMs = Math.max(this.#lastMs[to], loop.nowMs + this.#network.delayMs());
    this.#lastMs[to] = atMs;
    loop.after(atMs - loop.nowMs, () => this.#arrive(to, message));
  }

  flush(): void {
    if (!this.isOpen || this.#isCut()) return;
    for (const to of [0, 1] as const) {
      for (const message of this.#held[to].splice(0)) this.#arrive(to, message);
    }
  }

  break(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#network.forget(this);
    for (const end of this.ends) {
      this.#network.loop.after(this.#network.noticeMs(), () => {
        if (end.host.alive) end.onClose();
      });
    }
  }

  touches(host: Host): boolean {
    return this.ends[0].host === host || this.ends[1].host === host;
  }

  joins(a: string, b: string): boolean {
    const [first, second] = this.ends.map((end) => end.host.machine);
    return (first === a && second === b) || (first === b && second === a);
  }

  #isCut(): boolean {
    return this.#network.isCut(this.ends[0].host.machine, this.ends[1].host.machine);
  }

  #arrive(to: 0 | 1, message: unknown): void {
    const end = this.ends[to];
    if (!this.isOpen || !end.host.alive) return;
    const { loop } = this.#network;
    if (this.#isCut() || this.#held[to].length > 0) {
      this.#held[to].push(message);
      return;
    }
    const unread = this.#unread[to];
    if (unread.length === 0 && end.host.pausedUntilMs <= loop.nowMs) return end.onMessage(message);
    unread.push(message);
    if (unread.length === 1) this.#readLater(to);
  }

  #readLater(to: 0 | 1): void {
    const end = this.ends[to];
    const { loop } = this.#network;
    loop.after(Math.max(0, end.host.pausedUntilMs - loop.nowMs), () => {
      if (end.host.pausedUntilMs > loop.nowMs) return this.#readLater(to);
      for (const message of this.#unread[to].splice(0)) {
        if (this.isOpen && end.host.alive) end.onMessage(message);
      }
    });
  }
}

export class Network {
  readonly loop: EventLoop;
  readonly #prng: Prng;
  readonly #connections: Set<Connection> = new Set();
  /** Cut links, as `a|b` with a < b. */
  readonly #cuts: Set<string> = new Set();
  /** While true, datagrams may be lost. */
  lossy: boolean = true;

  constructor(loop: EventLoop, prng: Prng) {
    this.loop = loop;
    this.#prng = prng;
  }

  /** Mostly short, sometimes long. */
  delayMs(): number {
    return this.#prng.chance(95) ? this.#prng.between(1, 3) : this.#prng.between(4, 60);
  }

  /** How long an end takes to notice that its connection is broken: one may be back before the other knows. */
  noticeMs(): number {
    return this.#prng.chance(80) ? this.delayMs() : this.#prng.between(50, 1_500);
  }

  isCut(a: string, b: string): boolean {
    return this.#cuts.has(linkName(a, b));
  }

  /** Opens a connection; null when the other end cannot be reached. */
  connect(from: Host, to: Host): [mine: Channel, theirs: Channel] | null {
    if (!from.alive || !to.alive || this.isCut(from.machine, to.machine)) return null;
    const connection = new Connection(this, from, to);
    this.#connections.add(connection);
    return [connection.ends[0], connection.ends[1]];
  }

  /** One message that may be lost, late, or there twice. */
  datagram(from: Host, to: Host, receive: () => void): void {
    const arrive = (): void => {
      // What a dead process sent still arrives.
      if (to.alive && !this.isCut(from.machine, to.machine)) {
        if (to.pausedUntilMs > this.loop.nowMs) this.loop.after(to.pausedUntilMs - this.loop.nowMs, receive);
        else receive();
      }
    };
    if (this.lossy && this.#prng.chance(5)) return;
    // One that was stuck somewhere may come after its sender's end.
    const isStuck = this.lossy && this.#prng.chance(3);
    this.loop.after(isStuck ? this.#prng.between(500, 6_000) : this.delayMs(), arrive);
    if (this.lossy && this.#prng.chance(4)) this.loop.after(this.#prng.between(1, 900), arrive);
  }

  /** Nothing passes between the two machines; connections stand still, and break when that lasts for `breakMs`. */
  cut(a: string, b: string, breakMs: number): void {
    this.#cuts.add(linkName(a, b));
    for (const connection of [...this.#connections]) {
      if (!connection.joins(a, b)) continue;
      this.loop.after(breakMs, () => {
        if (this.isCut(a, b)) connection.break();
      });
    }
  }

  heal(a: string, b: string): void {
    if (!this.#cuts.delete(linkName(a, b))) return;
    for (const connection of [...this.#connections]) if (connection.joins(a, b)) connection.flush();
  }

  healAll(): void {
    for (const cut of [...this.#cuts]) this.heal(cut.split("|")[0]!, cut.split("|")[1]!);
  }

  /** One random connection breaks. */
  resetOne(): void {
    if (this.#connections.size > 0) this.#prng.pick([...this.#connections]).break();
  }

  /** The process is gone. Its peers' connections break, at once or (a machine that lost power) much later. */
  kill(host: Host, silentMs: number): void {
    host.alive = false;
    for (const connection of [...this.#connections]) {
      if (!connection.touches(host)) continue;
      if (silentMs === 0) connection.break();
      else this.loop.after(silentMs, () => connection.break());
    }
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }
}

function linkName(a: string, b: string): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}
