/**
 * The head's connections: a number for each agent's control connection (the node manager speaks in these numbers), which
 * node answers at which, and the ordered way out to each node.
 * @module
 */
import type { NodeId } from "../common/ids.ts";
import type { GcsEffect } from "../core/gcs/gcs_events.ts";
import type { Rpc, RpcAnswer } from "../io/transport/rpc.ts";
import type { HeadMethods, Hello, NodeMethods } from "../protocol/messages.ts";
import type { JobNodeMethods } from "../protocol/submission_messages.ts";
import { CommitGate, type Commits } from "./commit_gate.ts";

export type NodeRpc = Rpc<HeadMethods, NodeMethods>;
type Send = Extract<GcsEffect, { type: "send" }>;

/** A peer that said a good hello. */
export interface HeadPeer {
  readonly number: number;
  readonly hello: Hello;
  readonly rpc: NodeRpc;
}

/** How long connections that must end may take to write what is queued. */
const CLOSE_GRACE_MS = 1_000;

export class HeadNodes {
  readonly #commits: Commits;
  readonly #peers: Map<number, HeadPeer> = new Map();
  readonly #byNode: Map<NodeId, number> = new Map();
  /** Per connection, so that nothing held for an old one reaches a new one after its welcome. */
  readonly #gates: Map<number, CommitGate> = new Map();
  #next = 1;

  constructor(commits: Commits) {
    this.#commits = commits;
  }

  add(rpc: NodeRpc, hello: Hello): HeadPeer {
    const peer = { number: this.#next++, hello, rpc };
    this.#peers.set(peer.number, peer);
    this.#gates.set(peer.number, new CommitGate(this.#commits));
    return peer;
  }

  remove(peer: HeadPeer): void {
    this.#peers.delete(peer.number);
    this.#gates.delete(peer.number);
    const nodeId = peer.hello.id as NodeId;
    if (this.#byNode.get(nodeId) === peer.number) this.#byNode.delete(nodeId);
  }

  peers(): HeadPeer[] {
    return [...this.#peers.values()];
  }

  /** From now on messages to the node go by this connection. */
  connect(nodeId: NodeId, connection: number): void {
    this.#byNode.set(nodeId, connection);
  }

  /** The way out on which answers and messages of a connection keep their order. */
  gate(connection: number): CommitGate | null {
    return this.#gates.get(connection) ?? null;
  }

  /** Send to a node's agent. Without a connection it is dropped: registering again makes up for it. */
  send(effect: Send, sections: readonly Uint8Array[]): void {
    const connection = this.#byNode.get(effect.nodeId);
    const peer = connection === undefined ? undefined : this.#peers.get(connection);
    if (peer === undefined) return;
    this.#gates.get(peer.number)!.pass(effect.afterCommit, () => {
      if (effect.method !== "startActor") {
        // The union is distributed over the methods; the compiler cannot see that params belong to this one.
        peer.rpc.notify(effect.method, effect.params as never, sections);
        return;
      }
      // Acknowledged on arrival. When the connection breaks first, the node's registration tells what became of it.
      peer.rpc.request("startActor", effect.params, sections).catch(() => undefined);
    });
  }

  /** An order about a submitted job, after the commit. Without a connection it is dropped: it is given again. */
  order<M extends keyof JobNodeMethods & string>(
    nodeId: NodeId,
    method: M,
    params: JobNodeMethods[M]["params"],
  ): void {
    const connection = this.#byNode.get(nodeId);
    const peer = connection === undefined ? undefined : this.#peers.get(connection);
    if (peer === undefined) return;
    this.#gates.get(peer.number)!.pass(true, () => void peer.rpc.notify(method, params as never));
  }

  /** Ask a node's agent, for people; null when it does not answer in time. */
  async ask<M extends keyof NodeMethods & string>(
    nodeId: NodeId,
    method: M,
    params: NodeMethods[M]["params"],
    timeoutMs: number,
  ): Promise<NodeMethods[M]["result"] | null> {
    const connection = this.#byNode.get(nodeId);
    const peer = connection === undefined ? undefined : this.#peers.get(connection);
    if (peer === undefined) return null;
    try {
      return (await peer.rpc.request(method, params as never, [], { timeoutMs })).result;
    } catch {
      return null;
    }
  }

  /** Ask a node's agent, with the answer's bytes; null when it is not connected. Rejects with its error. */
  async request<M extends keyof NodeMethods & string>(
    nodeId: NodeId,
    method: M,
    params: NodeMethods[M]["params"],
    timeoutMs: number,
  ): Promise<RpcAnswer<NodeMethods[M]["result"]> | null> {
    const connection = this.#byNode.get(nodeId);
    const peer = connection === undefined ? undefined : this.#peers.get(connection);
    if (peer === undefined) return null;
    return await peer.rpc.request(method, params as never, [], { timeoutMs }) as RpcAnswer<
      NodeMethods[M]["result"]
    >;
  }

  /** End a connection, after what is queued for it. A fenced agent is told to end; one that connected anew is not. */
  close(connection: number, reason: string, fenced: boolean): void {
    const peer = this.#peers.get(connection);
    if (peer === undefined) return;
    this.#gates.get(connection)!.pass(false, () => {
      if (fenced) peer.rpc.notify("shutdown", { reason, fenced });
      peer.rpc.close();
    });
  }

  /** End all connections; resolves when they are closed, or after a moment. */
  async closeAll(): Promise<void> {
    const peers = this.peers();
    for (const peer of peers) peer.rpc.close();
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, CLOSE_GRACE_MS);
    await Promise.race([Promise.all(peers.map((peer) => peer.rpc.closed)), timeout.promise]);
    clearTimeout(timer);
  }
}
