/**
 * An agent's connections to other agents, made when first needed. Each direction has its own: what our processes want
 * from a peer goes over the connection that we opened (outgoing), with all answers and news about it coming back on the
 * same; the peer's wishes come over the one that it opened (incoming). Losing one voids what went over it, only that.
 * @module
 */
import type { NodeId } from "../common/ids.ts";
import { NodeDiedError } from "../common/errors.ts";
import { diedBetween } from "../core/gcs/membership.ts";
import type { Hello, NodeRow, PeerMethods } from "../protocol/messages.ts";
import type { Connection } from "../io/transport/connection.ts";
import type { TlsOptions } from "../io/transport/http2.ts";
import { connectHttp2 } from "../io/transport/http2_client.ts";
import { type Handlers, Rpc, type RpcAnswer } from "../io/transport/rpc.ts";

export type PeerRpc = Rpc<PeerMethods, PeerMethods>;

export interface PeersOptions {
  readonly nodeId: NodeId;
  readonly hello: (purpose: Hello["purpose"]) => Hello;
  readonly tls: TlsOptions | undefined;
  /** Handlers for one connection, so that they know the peer. */
  readonly handlers: (peer: NodeId) => Handlers<PeerMethods>;
  readonly onLost: (peer: NodeId, direction: "outgoing" | "incoming", rpc: PeerRpc) => void;
}

interface Outgoing {
  readonly ready: Promise<PeerRpc>;
  rpc: PeerRpc | null;
}

export class Peers {
  readonly #options: PeersOptions;
  /** The cluster's nodes as the head told last. */
  #nodes: ReadonlyMap<NodeId, NodeRow> = new Map();
  /** Open connections and those being made. */
  readonly #outgoing: Map<NodeId, Outgoing> = new Map();
  readonly #incoming: Map<NodeId, PeerRpc> = new Map();
  #closed: boolean = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** The other nodes that are not dead. */
  get alive(): NodeId[] {
    const alive: NodeId[] = [];
    for (const [nodeId, row] of this.#nodes) {
      if (nodeId !== this.#options.nodeId && row.state !== "DEAD") alive.push(nodeId);
    }
    return alive;
  }

  /** One open connection to each node that there is one with, whoever opened it. */
  connected(): PeerRpc[] {
    const rpcs = new Map<NodeId, PeerRpc>(this.#incoming);
    for (const [nodeId, { rpc }] of this.#outgoing) if (rpc !== null) rpcs.set(nodeId, rpc);
    return [...rpcs.values()];
  }

  row(nodeId: NodeId): NodeRow | undefined {
    return this.#nodes.get(nodeId);
  }

  /** The head told the cluster's nodes. Returns those of which an incarnation has died since the last time. */
  setNodes(rows: readonly NodeRow[]): NodeId[] {
    const died = diedBetween(this.#nodes.values(), rows).filter((nodeId) => nodeId !== this.#options.nodeId);
    this.#nodes = new Map(rows.map((row) => [row.nodeId, row]));
    for (const nodeId of died) {
      this.#outgoing.get(nodeId)?.rpc?.close();
      this.#incoming.get(nodeId)?.close();
    }
    return died;
  }

  /** HOST:PORT of a node. NodeDiedError when it is dead or unknown. */
  addressOf(nodeId: NodeId): string {
    const row = this.#nodes.get(nodeId);
    if (row === undefined || row.state === "DEAD") {
      throw new NodeDiedError(
        `Cannot reach ${nodeId}: ${row === undefined ? "no such node" : row.stateMessage}`,
      );
    }
    return row.address;
  }

  /** The connection that we opened to a node, opened now when there is none. Rejects when it cannot be made. */
  connect(nodeId: NodeId): Promise<PeerRpc> {
    const known = this.#outgoing.get(nodeId);
    if (known !== undefined) return known.ready;
    const outgoing: Outgoing = { ready: this.#open(nodeId), rpc: null };
    this.#outgoing.set(nodeId, outgoing);
    outgoing.ready.then((rpc) => {
      outgoing.rpc = rpc;
    }, () => {
      if (this.#outgoing.get(nodeId) === outgoing) this.#outgoing.delete(nodeId);
    });
    return outgoing.ready;
  }

  async request<K extends keyof PeerMethods & string>(
    nodeId: NodeId,
    method: K,
    params: PeerMethods[K]["params"],
    sections?: readonly Uint8Array[],
  ): Promise<RpcAnswer<PeerMethods[K]["result"]>> {
    const rpc = await this.connect(nodeId);
    return rpc.request(method, params as never, sections);
  }

  /** Tell a node over the connection that we opened; when there is none (any more), what it is about is void anyway. */
  notify<K extends keyof PeerMethods & string>(
    nodeId: NodeId,
    method: K,
    params: PeerMethods[K]["params"],
  ): void {
    this.#outgoing.get(nodeId)?.ready.then((rpc) => rpc.notify(method, params as never), () => undefined);
  }

  /** Tell a node over the connection that it opened. */
  notifyBack<K extends keyof PeerMethods & string>(
    nodeId: NodeId,
    method: K,
    params: PeerMethods[K]["params"],
  ): void {
    this.#incoming.get(nodeId)?.notify(method, params as never);
  }

  /** A peer opened a connection to us. */
  accept(nodeId: NodeId, connection: Connection): void {
    // It opens one at a time: the old one is over for it, whatever we have noticed.
    const old = this.#incoming.get(nodeId);
    if (old !== undefined) {
      this.#incoming.delete(nodeId);
      this.#options.onLost(nodeId, "incoming", old);
      old.close();
    }
    const rpc: PeerRpc = new Rpc(connection, this.#options.handlers(nodeId));
    this.#incoming.set(nodeId, rpc);
    rpc.closed.then(() => {
      if (this.#incoming.get(nodeId) !== rpc) return;
      this.#incoming.delete(nodeId);
      this.#options.onLost(nodeId, "incoming", rpc);
    });
  }

  close(): void {
    this.#closed = true;
    for (const { rpc } of this.#outgoing.values()) rpc?.close();
    for (const rpc of this.#incoming.values()) rpc.close();
  }

  async #open(nodeId: NodeId): Promise<PeerRpc> {
    const { hello, tls, handlers, onLost } = this.#options;
    const connection = await connectHttp2({
      address: this.addressOf(nodeId),
      path: "/control",
      hello: hello("control"),
      ...(tls === undefined ? {} : { tls }),
    });
    const rpc: PeerRpc = new Rpc(connection, handlers(nodeId));
    if (this.#closed) rpc.close();
    rpc.closed.then(() => {
      this.#outgoing.delete(nodeId);
      onLost(nodeId, "outgoing", rpc);
    });
    return rpc;
  }
}
