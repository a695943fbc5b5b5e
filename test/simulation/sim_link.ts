/**
 * A simulated agent's link to the head: as the real one, it connects again whenever the connection breaks, registers, and
 * sends again what has no answer, in order.
 * @module
 */
import type { Prng } from "../../runtime/common/prng.ts";
import type { HeadMethods, NodeRegistration } from "../../runtime/protocol/messages.ts";
import type { EventLoop } from "./event_loop.ts";
import type { Channel, Host, Network } from "./network.ts";
import type { FromHead, HeadNotice, HeadRequest, SimHead } from "./sim_head.ts";

export type Answer =
  | { readonly ok: true; readonly result: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly code: string; readonly message: string };
type Order = Extract<FromHead, { kind: "order" }>;
type Registered = Pick<HeadMethods["registerNode"]["result"], "nodes" | "endedJobs" | "endedActors">;

interface Open {
  readonly request: HeadRequest;
  readonly answered: (answer: Answer) => void;
}

export interface LinkOptions {
  readonly loop: EventLoop;
  readonly network: Network;
  readonly prng: Prng;
  readonly head: SimHead;
  readonly host: Host;
  readonly registration: () => NodeRegistration;
  readonly onRegistered: (answer: Registered) => void;
  readonly onFenced: () => void;
  readonly onOrder: (order: Order) => void;
}

export class SimLink {
  readonly #options: LinkOptions;
  /** All and only requests without an answer, in order. */
  readonly #open: Map<number, Open> = new Map();
  #channel: Channel | null = null;
  #registered: boolean = false;
  #next: number = 1;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#registered;
  }
  get openCount(): number {
    return this.#open.size;
  }

  request(request: HeadRequest, answered: (answer: Answer) => void): number {
    const id = this.#next++;
    this.#open.set(id, { request, answered });
    if (this.#registered) this.#channel!.send({ kind: "request", id, request });
    return id;
  }

  /** Dropped while the link is down, as the real one does. */
  notify(notice: HeadNotice): void {
    if (this.#registered) this.#channel!.send({ kind: "notice", notice });
  }

  /** Nobody wants the answer any more. */
  forget(id: number): void {
    this.#open.delete(id);
  }

  #connect(): void {
    const { loop, network, host, head, prng } = this.#options;
    if (!host.alive) return;
    const ends = network.connect(host, head.host);
    if (ends === null) return loop.after(prng.between(50, 400), () => this.#connect());
    const [mine, theirs] = ends;
    this.#channel = mine;
    head.accept(theirs);
    mine.onMessage = (message) => this.#receive(mine, message as FromHead);
    mine.onClose = () => {
      this.#channel = null;
      this.#registered = false;
      loop.after(prng.between(20, 100), () => this.#connect());
    };
    const request: HeadRequest = { type: "registerNode", registration: this.#options.registration() };
    mine.send({ kind: "request", id: 0, request });
  }

  #receive(channel: Channel, message: FromHead): void {
    if (channel !== this.#channel) return;
    if (message.kind === "order") return this.#options.onOrder(message);
    if (message.id === 0) return this.#welcomed(channel, message);
    const open = this.#open.get(message.id);
    if (open === undefined) return;
    this.#open.delete(message.id);
    if (message.kind === "result") open.answered({ ok: true, result: message.result });
    else open.answered({ ok: false, code: message.code, message: message.message });
  }

  #welcomed(channel: Channel, message: Exclude<FromHead, Order>): void {
    if (message.kind === "error") return this.#options.onFenced();
    this.#registered = true;
    this.#options.onRegistered(message.result as unknown as Registered);
    for (const [id, { request }] of this.#open) channel.send({ kind: "request", id, request });
  }
}
