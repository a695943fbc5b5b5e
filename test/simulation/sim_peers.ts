/**
 * Connections between simulated agents, one for each direction: leases of our submitters there, pushes to their workers,
 * fetches of objects; and the same of theirs here. A broken one voids the leases of its direction.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../runtime/common/ids.ts";
import type { DeathCause, Grant, LeaseRequest } from "../../runtime/common/task_spec.ts";
import { requestKey } from "../../runtime/core/scheduler/local_scheduler_types.ts";
import { diedBetween } from "../../runtime/core/gcs/membership.ts";
import type { NodeChange } from "../../runtime/core/object/references_types.ts";
import type { NodeRow, ObjectReport } from "../../runtime/protocol/messages.ts";
import type { Channel } from "./network.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { Push, PushReply } from "./sim_submitter.ts";
import type { SimWorld } from "./sim_world.ts";

type ToPeer =
  | { readonly kind: "lease"; readonly id: number; readonly request: LeaseRequest }
  | { readonly kind: "cancelLease"; readonly submitter: ProcessId; readonly requestId: string }
  | {
    readonly kind: "backlog";
    readonly submitter: ProcessId;
    readonly requestId: string;
    readonly backlog: number;
  }
  | { readonly kind: "returnLease"; readonly leaseId: string; readonly discardWorker: boolean }
  | { readonly kind: "push"; readonly workerId: ProcessId; readonly push: Push }
  | { readonly kind: "fetch"; readonly id: number; readonly object: ObjectId; readonly insists: boolean }
  | { readonly kind: "references"; readonly id: number; readonly changes: readonly NodeChange[] };

export type LeaseAnswer =
  | { readonly type: "granted"; readonly grant: Grant }
  | { readonly type: "refused"; readonly code: string; readonly message: string; readonly fatal: boolean };

type FromPeer =
  | { readonly kind: "leaseAnswer"; readonly id: number; readonly answer: LeaseAnswer }
  | { readonly kind: "reclaim"; readonly submitter: ProcessId; readonly leaseId: string }
  | {
    readonly kind: "leaseLost";
    readonly submitter: ProcessId;
    readonly leaseId: string;
    readonly cause: DeathCause;
  }
  | { readonly kind: "reply"; readonly to: ProcessId; readonly reply: PushReply }
  | { readonly kind: "unreached"; readonly to: ProcessId; readonly leaseId: string }
  | { readonly kind: "counted"; readonly id: number }
  | { readonly kind: "fetched"; readonly id: number; readonly answer: Fetched };

/** The object, who should be asked instead, or null: it is not there; or nobody answered. */
export type Fetched = ObjectReport | { readonly holders: readonly NodeId[] } | "unreachable" | null;

interface Outgoing {
  readonly channel: Channel;
  readonly leases: Map<number, (answer: LeaseAnswer) => void>;
  readonly fetches: Map<number, (answer: Fetched) => void>;
  /** Reference changes on their way. */
  readonly counts: Map<number, (counted: boolean) => void>;
}

export class SimPeers {
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  readonly #outgoing: Map<NodeId, Outgoing> = new Map();
  readonly #incoming: Map<NodeId, Channel> = new Map();
  /** Lease requests of other nodes without an answer: where the answers go. */
  readonly #asked: Map<string, { readonly channel: Channel; readonly id: number }[]> = new Map();
  #nodes: readonly NodeRow[] = [];
  #next: number = 1;

  constructor(world: SimWorld, agent: SimAgent) {
    this.#world = world;
    this.#agent = agent;
  }

  requestLease(nodeId: NodeId, request: LeaseRequest, answered: (answer: LeaseAnswer) => void): void {
    const peer = this.#open(nodeId);
    const refusal = {
      type: "refused",
      code: "NodeDiedError",
      message: "out of reach",
      fatal: false,
    } as const;
    if (peer === null) return this.#world.loop.after(1, () => answered(refusal));
    const id = this.#next++;
    peer.leases.set(id, answered);
    peer.channel.send({ kind: "lease", id, request } satisfies ToPeer);
  }

  fetch(nodeId: NodeId, object: ObjectId, insists: boolean, fetched: (answer: Fetched) => void): void {
    const peer = this.#open(nodeId);
    if (peer === null) return this.#world.loop.after(1, () => fetched("unreachable"));
    const id = this.#next++;
    peer.fetches.set(id, fetched);
    peer.channel.send({ kind: "fetch", id, object, insists } satisfies ToPeer);
  }

  /** Whether the home has counted the changes; if not, it may have. */
  sendReferences(home: NodeId, changes: readonly NodeChange[], done: (counted: boolean) => void): void {
    const peer = this.isAlive(home) ? this.#open(home) : null;
    if (peer === null) return this.#world.loop.after(1, () => done(false));
    const id = this.#next++;
    peer.counts.set(id, done);
    peer.channel.send({ kind: "references", id, changes } satisfies ToPeer);
  }

  /** As far as the head has told. */
  isAlive(nodeId: NodeId): boolean {
    const row = rowsById(this.#nodes).get(nodeId);
    return row !== undefined && row.state !== "DEAD";
  }

  /** Dropped when there is no connection: then the leases of its direction are void. */
  tell(nodeId: NodeId, message: Exclude<ToPeer, { id: number }>): void {
    this.#outgoing.get(nodeId)?.channel.send(message);
  }

  /** To the agent of a submitter that leases here. */
  tellBack(nodeId: NodeId, message: Extract<FromPeer, { kind: "reclaim" | "leaseLost" }>): void {
    this.#incoming.get(nodeId)?.send(message);
  }

  answerLease(key: string, answer: LeaseAnswer): void {
    for (const { channel, id } of this.#asked.get(key) ?? []) {
      channel.send({ kind: "leaseAnswer", id, answer } satisfies FromPeer);
    }
    this.#asked.delete(key);
  }

  /** The head told the cluster's nodes. Returns those that died. */
  setNodes(nodes: readonly NodeRow[]): NodeId[] {
    const died = changes(this.#nodes, nodes).filter((nodeId) => nodeId !== this.#agent.nodeId);
    this.#nodes = nodes;
    for (const nodeId of died) {
      this.#outgoing.get(nodeId)?.channel.close();
      this.#incoming.get(nodeId)?.close();
    }
    return died;
  }

  /** One that joined just now may be unknown here; a dead one is not let in: what it holds was given up with it. */
  admits(from: NodeId): boolean {
    return this.#nodes.find(({ nodeId }) => nodeId === from)?.state !== "DEAD";
  }

  accept(from: NodeId, channel: Channel): void {
    const old = this.#incoming.get(from);
    // It lost the first connection and we have not heard of that yet.
    if (old !== undefined) this.#incomingClosed(from, old);
    this.#incoming.set(from, channel);
    channel.onMessage = (message) => this.#serve(from, channel, message as ToPeer);
    channel.onClose = () => this.#incomingClosed(from, channel);
  }

  #open(nodeId: NodeId): Outgoing | null {
    const known = this.#outgoing.get(nodeId);
    if (known !== undefined) return known;
    const other = this.#world.agents.get(nodeId);
    if (other === undefined || !other.peers.admits(this.#agent.nodeId)) return null;
    const ends = this.#world.network.connect(this.#agent.host, other.host);
    if (ends === null) return null;
    const [channel, theirs] = ends;
    const peer: Outgoing = { channel, leases: new Map(), fetches: new Map(), counts: new Map() };
    this.#outgoing.set(nodeId, peer);
    other.peers.accept(this.#agent.nodeId, theirs);
    channel.onMessage = (message) => this.#hear(peer, message as FromPeer);
    channel.onClose = () => {
      this.#outgoing.delete(nodeId);
      this.#agent.step({ type: "peerLost", nodeId, direction: "outgoing" });
      for (const fetched of peer.fetches.values()) fetched("unreachable");
      for (const counted of peer.counts.values()) counted(false);
    };
    return peer;
  }

  #incomingClosed(from: NodeId, channel: Channel): void {
    if (this.#incoming.get(from) !== channel) return;
    this.#incoming.delete(from);
    for (const [key, asked] of this.#asked) {
      const others = asked.filter((one) => one.channel !== channel);
      if (others.length === 0) this.#asked.delete(key);
      else this.#asked.set(key, others);
    }
    this.#agent.step({ type: "peerLost", nodeId: from, direction: "incoming" });
  }

  #serve(from: NodeId, channel: Channel, message: ToPeer): void {
    const agent = this.#agent;
    switch (message.kind) {
      case "lease": {
        const { request, id } = message;
        const key = requestKey(request.submitter, request.requestId);
        const asked = this.#asked.get(key);
        if (asked === undefined) this.#asked.set(key, [{ channel, id }]);
        else asked.push({ channel, id });
        return agent.leaseRequested(request, "peer");
      }
      case "cancelLease": {
        const { submitter, requestId } = message;
        return agent.step({ type: "leaseCancelled", submitter, requestId });
      }
      case "backlog": {
        const { submitter, requestId, backlog } = message;
        return agent.step({ type: "backlogChanged", submitter, requestId, backlog });
      }
      case "returnLease":
        return agent.leaseReturned(message.leaseId, message.discardWorker);
      case "push": {
        const { push, workerId } = message;
        const worker = this.#world.workers.get(workerId);
        if (worker === undefined) {
          // The relay to it is refused. That its lease is lost was told before, perhaps to one who had no grant yet.
          const { owner: to, leaseId } = push;
          return channel.send({ kind: "unreached", to, leaseId } satisfies FromPeer);
        }
        worker.receive(push, (reply) => {
          if (agent.host.alive) channel.send({ kind: "reply", to: push.owner, reply } satisfies FromPeer);
        });
        return;
      }
      case "fetch": {
        const { id, object, insists } = message;
        return agent.store.serve(object, from, insists, (answer) => {
          channel.send({ kind: "fetched", id, answer } satisfies FromPeer);
        });
      }
      case "references":
        agent.store.references.step({ type: "nodeChanged", from, changes: message.changes });
        return channel.send({ kind: "counted", id: message.id } satisfies FromPeer);
      default:
        message satisfies never;
    }
  }

  #hear(peer: Outgoing, message: FromPeer): void {
    const agent = this.#agent;
    switch (message.kind) {
      case "leaseAnswer": {
        const answered = peer.leases.get(message.id);
        peer.leases.delete(message.id);
        return answered?.(message.answer);
      }
      case "fetched": {
        const fetched = peer.fetches.get(message.id);
        peer.fetches.delete(message.id);
        return fetched?.(message.answer);
      }
      case "counted": {
        const counted = peer.counts.get(message.id);
        peer.counts.delete(message.id);
        return counted?.(true);
      }
      case "reclaim":
        return agent.submitterOf(message.submitter)?.reclaim(message.leaseId);
      case "leaseLost":
        agent.step({ type: "remoteLeaseReturned", leaseId: message.leaseId });
        return agent.submitterOf(message.submitter)?.workerLost(message.leaseId, message.cause);
      case "reply":
        return agent.submitterOf(message.to)?.replied(message.reply);
      case "unreached":
        return agent.submitterOf(message.to)?.workerUnreached(message.leaseId);
      default:
        message satisfies never;
    }
  }
}

/** What one list of nodes leads to, for all agents that hear it: there may be a thousand. */
interface ListNotes {
  readonly byId: ReadonlyMap<NodeId, NodeRow>;
  /** Who died since another list. */
  readonly diedSince: WeakMap<readonly NodeRow[], NodeId[]>;
}
const notes: WeakMap<readonly NodeRow[], ListNotes> = new WeakMap();

function notesOf(nodes: readonly NodeRow[]): ListNotes {
  let known = notes.get(nodes);
  if (known === undefined) {
    known = { byId: new Map(nodes.map((row) => [row.nodeId, row])), diedSince: new WeakMap() };
    notes.set(nodes, known);
  }
  return known;
}

function rowsById(nodes: readonly NodeRow[]): ReadonlyMap<NodeId, NodeRow> {
  return notesOf(nodes).byId;
}

function changes(before: readonly NodeRow[], after: readonly NodeRow[]): NodeId[] {
  const { diedSince } = notesOf(after);
  let died = diedSince.get(before);
  if (died === undefined) diedSince.set(before, died = diedBetween(before, after));
  return died;
}
