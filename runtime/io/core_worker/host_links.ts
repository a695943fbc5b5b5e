/**
 * This process's connections to hosts of light actors: one to each host, shared by the clients of all actors there. Calls to
 * any of them leave together; replies find their client by the call's number.
 * @module
 */
import type { ActorId } from "../../common/ids.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { PushType, writeHostedActor, writePush } from "../../protocol/push.ts";
import type { PushArguments, PushHead } from "../../protocol/push.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { CoreContext, WorkerAddress } from "./core_context.ts";
import { readReplies, type Reply } from "./replies.ts";
import { Timer } from "./timers.ts";
import { WorkerLink, type WorkerLinkObserver } from "./worker_link.ts";

const PUSH_FRAME_BYTES = 1024 * 1024;
/** How often clients whose connection broke ask whether their actors are really gone … */
const RECHECK_MS = 1_000;
/** … and how many of them at once. */
const RECHECKS_MAX = 500;

/** A client of one actor, as its host's link sees it. */
export interface HostClient {
  readonly info: { readonly actorId: ActorId; readonly checkpointEvery?: number };
  opened(link: WorkerLink): void;
  lost(link: WorkerLink): void;
  /** One reply to a call of it; true when the worker holds refs in its results. */
  replied(reply: Reply): boolean;
  /** The replies of one frame are told. */
  repliesRead(): void;
  /** Of a durable actor: see WorkerLinkObserver. */
  covered(link: WorkerLink, actorId: ActorId, through: number): void;
  /** It has no connection, and the GCS has said nothing new. */
  readonly isCutOff: boolean;
}

/** See the module's header. */
export class HostLinks {
  readonly #core: CoreContext;
  readonly #links: Map<string, HostLink> = new Map();
  readonly #cutOff: Set<HostClient> = new Set();
  #recheck: Timer | null = null;

  constructor(core: CoreContext) {
    this.#core = core;
  }

  /** The link to a host; its client hears of it as of a link of its own, at once when it is open. */
  join(address: WorkerAddress, client: HostClient): HostLink {
    let link = this.#links.get(address.workerId);
    if (link === undefined || link.link.isLost) {
      link = new HostLink(this.#core, address, (ended) => {
        if (this.#links.get(address.workerId) === ended) this.#links.delete(address.workerId);
      });
      this.#links.set(address.workerId, link);
    }
    link.add(client);
    return link;
  }

  /** Ask now and then what became of its actor, until it is connected again or hears of its end. */
  askAgain(client: HostClient): void {
    this.#cutOff.add(client);
    this.#recheck ??= Timer.background(() => {
      this.#recheck = null;
      let asked = 0;
      for (const each of this.#cutOff) {
        this.#cutOff.delete(each);
        if (!each.isCutOff) continue;
        this.#core.link.notify("watchActor", { actorId: each.info.actorId });
        this.#cutOff.add(each); // Behind those that have not asked.
        if (++asked >= Math.min(RECHECKS_MAX, this.#cutOff.size)) break;
      }
      const next = this.#cutOff.values().next();
      if (!next.done) this.askAgain(next.value);
    }, RECHECK_MS);
  }
}

/** The connection to one host. */
export class HostLink implements WorkerLinkObserver {
  readonly link: WorkerLink;
  readonly clients: Set<HostClient> = new Set();
  /** Those of durable actors: two where one process has two for one actor. */
  readonly #durable: Map<ActorId, HostClient[]> = new Map();
  readonly #core: CoreContext;
  readonly #ended: (link: HostLink) => void;
  /** All and only calls that were pushed here, have no reply, and are still their client's. */
  readonly #calls: Map<number, HostClient> = new Map();
  readonly #writer = new ByteWriter();
  /** Whose call was written last; null before the first one. */
  #lastClient: HostClient | null = null;
  #lastIncarnation = 0;
  #isOpen = false;
  #scheduled = false;

  constructor(core: CoreContext, address: WorkerAddress, ended: (link: HostLink) => void) {
    this.#core = core;
    this.#ended = ended;
    this.link = new WorkerLink(address.workerId, address.nodeId, core.openWorker(address), this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }
  /** Whether no more than so many calls are under way: then the next one has no others to leave with. */
  isIdleBut(calls: number): boolean {
    return this.#calls.size <= calls;
  }

  add(client: HostClient): void {
    this.clients.add(client);
    const { actorId, checkpointEvery } = client.info;
    if (checkpointEvery === undefined) return;
    const known = this.#durable.get(actorId);
    if (known === undefined) this.#durable.set(actorId, [client]);
    else known.push(client);
  }

  /** Append a call to what leaves next. */
  push(
    client: HostClient,
    incarnation: number,
    head: Readonly<PushHead>,
    args: PushArguments,
  ): void {
    const writer = this.#writer;
    if (writer.position > PUSH_FRAME_BYTES) this.#send();
    const isSame = client === this.#lastClient && incarnation === this.#lastIncarnation;
    writeHostedActor(writer, isSame ? null : client.info.actorId, incarnation);
    this.#lastClient = client;
    this.#lastIncarnation = incarnation;
    writePush(writer, head, args);
    this.#calls.set(head.sequence, client);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  /** Write what waits now, not at the end of the tick. */
  flush(): void {
    this.#send();
    this.link.flush();
  }

  /** A call is no longer waited for. */
  forget(sequence: number): void {
    this.#calls.delete(sequence);
  }

  /** The client's actor is elsewhere, or over. The last one closes the connection. */
  leave(client: HostClient): void {
    const left = this.clients.delete(client);
    const { actorId } = client.info;
    const others = this.#durable.get(actorId)?.filter((other) => other !== client) ?? [];
    if (others.length === 0) this.#durable.delete(actorId);
    else this.#durable.set(actorId, others);
    if (!left || this.clients.size > 0) return;
    this.#send();
    this.#end();
    this.link.close();
  }

  // ---- WorkerLinkObserver ------------------------------------------------------------------------------------------------

  opened(link: WorkerLink): void {
    this.#isOpen = true;
    for (const client of [...this.clients]) client.opened(link);
  }

  replies(link: WorkerLink, header: Uint8Array): void {
    const returned: number[] = [];
    const clients = new Set<HostClient>();
    readReplies(header, (reply) => {
      const client = this.#calls.get(reply.sequence);
      if (client === undefined) return; // Late: its incarnation was given up.
      this.#calls.delete(reply.sequence);
      clients.add(client);
      if (client.replied(reply)) returned.push(reply.sequence);
    });
    if (returned.length > 0) this.#core.acknowledgeReturned(link, returned);
    for (const client of clients) client.repliesRead();
  }

  items(link: WorkerLink, header: Uint8Array): void {
    this.#core.itemCalls.received(link, header);
  }

  covered(link: WorkerLink, actorId: ActorId, through: number): void {
    for (const client of this.#durable.get(actorId) ?? []) client.covered(link, actorId, through);
  }

  handedBack(): void {
    throw new ProtocolError("a host of light actors hands nothing back");
  }

  lost(link: WorkerLink): void {
    this.#end();
    for (const client of [...this.clients]) client.lost(link);
    this.clients.clear();
    this.#durable.clear();
  }

  #end(): void {
    this.#isOpen = false;
    this.#calls.clear();
    this.#ended(this);
  }

  #send(): void {
    if (this.#writer.position === 0) return;
    this.link.send(PushType.pushHosted, this.#writer.bytes());
    this.#writer.reset();
    this.#lastClient = null;
  }
}
