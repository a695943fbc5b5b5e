/**
 * The simulated head: the real GCS machine behind simulated connections and a simulated store. It performs effects as the
 * real head must: writes are queued in order, what is marked `afterCommit` waits for them, nothing overtakes on a connection.
 * @module
 */
import { HEARTBEAT_INTERVAL_MS } from "../../runtime/common/config.ts";
import { jobId, type NodeId } from "../../runtime/common/ids.ts";
import { Prng } from "../../runtime/common/prng.ts";
import { Gcs } from "../../runtime/core/gcs/gcs.ts";
import type { GcsEffect, GcsEvent } from "../../runtime/core/gcs/gcs_events.ts";
import type { JobEvent } from "../../runtime/core/gcs/job_manager.ts";
import type { NodeRecord } from "../../runtime/core/gcs/node_manager.ts";
import type { Heartbeat, NodeMethods, NodeOrder, NodeRegistration } from "../../runtime/protocol/messages.ts";
import type { EventLoop } from "./event_loop.ts";
import type { Channel, Host, Network } from "./network.ts";
import { SimStore, type StoreEffect } from "./sim_store.ts";

type WithoutId<E> = E extends unknown ? Omit<E, "requestId"> : never;
type Asked = Exclude<Extract<GcsEvent, { requestId: string }>, { type: "registerNode" | "addJob" }>;

/** What an agent asks: an event without what the head adds. */
export type HeadRequest =
  | WithoutId<Asked>
  | { readonly type: "registerNode"; readonly registration: NodeRegistration }
  | Extract<GcsEvent, { type: "objectsMadeAt" }>
  | Omit<Extract<JobEvent, { type: "addJob" }>, "requestId" | "newJobId">;
export type HeadNotice = Extract<
  GcsEvent,
  { type: "watchActor" | "unwatchActor" | "cancelPick" | "cancelLocate" }
>;

export type ToHead =
  | { readonly kind: "request"; readonly id: number; readonly request: HeadRequest }
  | { readonly kind: "notice"; readonly notice: HeadNotice };

export type FromHead =
  | { readonly kind: "result"; readonly id: number; readonly result: Readonly<Record<string, unknown>> }
  | { readonly kind: "error"; readonly id: number; readonly code: string; readonly message: string }
  | {
    [M in NodeOrder]: {
      readonly kind: "order";
      readonly method: M;
      readonly params: NodeMethods[M]["params"];
    };
  }[NodeOrder];

interface Outgoing {
  /** Leaves when so many writes are durable. */
  readonly barrier: number;
  readonly message: FromHead;
}

/** One control connection, with what waits for a commit. */
interface Link {
  readonly channel: Channel;
  readonly outbox: Outgoing[];
}

export class SimHead {
  readonly store: SimStore;
  host: Host = { machine: "head", alive: false, pausedUntilMs: 0 };
  gcs: Gcs | null = null;
  /** Runs after every step; checks what must hold always. */
  onStep: (event: GcsEvent) => void = () => undefined;
  /** A member is declared dead. */
  onDeath: (record: NodeRecord) => void = () => undefined;
  readonly #loop: EventLoop;
  readonly #network: Network;
  readonly #prng: Prng;
  readonly #links: Map<number, Link> = new Map();
  readonly #byNode: Map<NodeId, Link> = new Map();
  readonly #requests: Map<string, { readonly link: Link; readonly id: number }> = new Map();
  #connection: number = 0;
  #request: number = 0;
  #life: number = 0;
  #doomed: (() => void) | null = null;
  /** Only after such an event; null: after any. */
  #doom: GcsEvent["type"] | null = null;

  constructor(loop: EventLoop, network: Network, prng: Prng) {
    this.#loop = loop;
    this.#network = network;
    this.#prng = prng;
    this.store = new SimStore(loop, prng.fork());
  }

  /** How often it was started. */
  get lives(): number {
    return this.#life;
  }

  get isUp(): boolean {
    return this.host.alive;
  }

  start(): void {
    this.host = { machine: "head", alive: true, pausedUntilMs: 0 };
    const records = this.#life === 0 ? null : this.store.records();
    this.gcs = new Gcs(this.#loop.nowMs, records);
    this.store.onCommit = () => {
      for (const link of this.#links.values()) this.#flush(link);
    };
    this.#life++;
    this.#tick(this.#life);
  }

  /** kill -9: everything but the store's durable rows is gone. */
  crash(): void {
    if (!this.isUp) return;
    this.#network.kill(this.host, 0);
    this.store.crash();
    this.gcs = null;
    this.#links.clear();
    this.#byNode.clear();
    this.#requests.clear();
  }

  /** Dies soon after its next word about an actor or a job: what it said and what it wrote must agree afterwards. */
  crashAfterWrite(crashed: () => void): void {
    this.#doom = this.#prng.pick(["createActor", "addJob", null]);
    this.#doomed = crashed;
  }

  /** The process stands still: nothing is read, and the clock's ticks come late. */
  pause(ms: number): void {
    this.host.pausedUntilMs = this.#loop.nowMs + ms;
  }

  /** A new control connection. */
  accept(channel: Channel): void {
    const connection = ++this.#connection;
    const link: Link = { channel, outbox: [] };
    this.#links.set(connection, link);
    channel.onMessage = (message) => this.#receive(connection, link, message as ToHead);
    channel.onClose = () => {
      this.#links.delete(connection);
      this.#step({ type: "connectionClosed", connection });
    };
  }

  heartbeat(heartbeat: Heartbeat): void {
    if (this.gcs !== null) this.#step({ type: "heartbeatReceived", heartbeat });
  }

  #tick(life: number): void {
    if (life !== this.#life || this.gcs === null) return;
    const pauseMs = this.host.pausedUntilMs - this.#loop.nowMs;
    if (pauseMs > 0) return this.#loop.after(pauseMs, () => this.#tick(life));
    this.#step({ type: "tick" });
    this.#loop.after(HEARTBEAT_INTERVAL_MS, () => this.#tick(life));
  }

  #receive(connection: number, link: Link, message: ToHead): void {
    // Fenced, or replaced: what is still read from it does not count.
    if (!this.#links.has(connection)) return;
    if (message.kind === "notice") return this.#step(message.notice);
    const requestId = `q${++this.#request}`;
    this.#requests.set(requestId, { link, id: message.id });
    const { request } = message;
    if (request.type === "registerNode") return this.#step({ ...request, requestId, connection });
    if (request.type === "objectsMadeAt") {
      this.#step(request);
      return this.#answer(requestId, (id) => ({ kind: "result", id, result: {} }), false);
    }
    if (request.type === "addJob") {
      const newJobId = jobId(this.#prng.uint32().toString(16).padStart(8, "0"));
      return this.#step({ ...request, requestId, newJobId });
    }
    this.#step({ ...request, requestId } as GcsEvent);
  }

  #step(event: GcsEvent): void {
    if (this.gcs === null) return;
    const effects = this.gcs.step(this.#loop.nowMs, event);
    const types = (): string => effects.map((effect) => effect.type).join(",");
    this.#loop.trace("head", `${event.type} -> ${types()}`, () => ({ event, effects }));
    for (const effect of effects) this.#perform(effect);
    this.#observe(effects);
    this.onStep(event);
    if (this.#doomed === null) return;
    const writes = effects.some((effect) => effect.type === "persistActor" || effect.type === "persistJob");
    if (!writes || (this.#doom !== null && event.type !== this.#doom)) return;
    const crashed = this.#doomed;
    this.#doomed = null;
    this.#loop.after(this.#prng.below(15), () => {
      this.crash();
      crashed();
    });
  }

  #observe(effects: readonly GcsEffect[]): void {
    for (const effect of effects) {
      if (effect.type !== "persistNode" || effect.record.state !== "DEAD") continue;
      this.onDeath(effect.record);
    }
  }

  #perform(effect: GcsEffect): void {
    switch (effect.type) {
      case "reply": {
        const { requestId, result, afterCommit } = effect;
        return this.#answer(requestId, (id) => ({ kind: "result", id, result }), afterCommit);
      }
      case "replyError": {
        const { requestId, code, message, afterCommit } = effect;
        return this.#answer(requestId, (id) => ({ kind: "error", id, code, message }), afterCommit);
      }
      case "send": {
        const link = this.#byNode.get(effect.nodeId);
        const { method, params, afterCommit } = effect;
        if (link !== undefined) this.#queue(link, { kind: "order", method, params } as FromHead, afterCommit);
        return;
      }
      case "nodeConnected":
        this.#byNode.set(effect.nodeId, this.#links.get(effect.connection)!);
        return;
      case "closeConnection":
        return this.#close(effect.connection, effect.fenced ? effect.reason : null);
      case "objectLost":
        return;
      case "setTimer": {
        const life = this.#life;
        return this.#loop.after(effect.atMs - this.#loop.nowMs, () => {
          if (life === this.#life) this.#step({ type: "timer" });
        });
      }
      default:
        this.store.write(effect satisfies StoreEffect);
    }
  }

  #close(connection: number, fencedBecause: string | null): void {
    const link = this.#links.get(connection);
    if (link === undefined) return;
    this.#links.delete(connection);
    for (const [nodeId, other] of this.#byNode) if (other === link) this.#byNode.delete(nodeId);
    if (fencedBecause === null) return link.channel.close();
    const params = { reason: fencedBecause };
    link.channel.send({ kind: "order", method: "shutdown", params } satisfies FromHead);
    // The word goes out before the end of the connection.
    this.#loop.after(100, () => link.channel.close());
  }

  #answer(requestId: string, message: (id: number) => FromHead, afterCommit: boolean): void {
    const request = this.#requests.get(requestId);
    if (request === undefined) throw new Error(`the head answers ${requestId}, which nobody asked`);
    this.#requests.delete(requestId);
    this.#queue(request.link, message(request.id), afterCommit);
  }

  #queue(link: Link, message: FromHead, afterCommit: boolean): void {
    link.outbox.push({ barrier: afterCommit ? this.store.queued : 0, message });
    this.#flush(link);
  }

  #flush(link: Link): void {
    while (link.outbox.length > 0 && link.outbox[0]!.barrier <= this.store.committed) {
      link.channel.send(link.outbox.shift()!.message);
    }
  }
}
