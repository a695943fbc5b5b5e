/**
 * Push connections to workers of other nodes, through both agents (and to this node's workers for drivers that are
 * elsewhere). Whole frames are passed on unread. At the submitter's side a relay is a pair (process, peer connection); at
 * the worker's side it ends in a connection to the worker's own socket.
 * @module
 */
import { NodeDiedError, WorkerCrashedError } from "../common/errors.ts";
import type { JobId, NodeId, ProcessId } from "../common/ids.ts";
import type { Hello } from "../protocol/messages.ts";
import type { Connection } from "../io/transport/connection.ts";
import { connectUnix } from "../io/transport/unix.ts";
import type { AttachedProcess } from "./agent_processes.ts";
import type { PeerRpc, Peers } from "./agent_peers.ts";

/** Relays of one agent, either side. */
const RELAYS_MAX = 50_000;
/** Frames in one message; more go in the next. */
const FRAMES_PER_MESSAGE = 256;

/** Whoever sits at the near end of a relay: a process's connection or a peer's. */
interface NearEnd {
  readonly connection: Connection;
  notify(
    method: "relayFrame" | "closeRelay",
    params: { relayId: string },
    sections?: readonly Uint8Array[],
  ): boolean;
}

/** The submitter's side. */
interface OpenedRelay {
  readonly process: AttachedProcess;
  readonly peer: PeerRpc;
}

/** The worker's side. */
interface WorkerEnd {
  readonly connection: Connection;
  readonly near: NearEnd;
  /** Frames from the worker that leave at the end of this tick. */
  outgoing: Uint8Array[];
}

export interface RelaysOptions {
  readonly nodeId: NodeId;
  readonly peers: Peers;
  readonly hello: (purpose: Hello["purpose"]) => Hello;
  /** The socket of a worker of this node. */
  readonly socketOf: (workerId: ProcessId) => string | null;
}

export class Relays {
  readonly #options: RelaysOptions;
  readonly #opened: Map<string, OpenedRelay> = new Map();
  readonly #workerEnds: Map<string, WorkerEnd> = new Map();

  constructor(options: RelaysOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#opened.size + this.#workerEnds.size;
  }

  /** AgentMethods.openRelay. */
  async openFor(
    process: AttachedProcess,
    { relayId, nodeId, workerId }: { relayId: string; nodeId: NodeId; workerId: ProcessId },
  ): Promise<Record<string, never>> {
    this.#checkFree(relayId);
    if (nodeId === this.#options.nodeId) {
      return await this.openHere(process.rpc, { relayId, workerId, from: process.id, jobId: process.jobId });
    }
    const peer = await this.#options.peers.connect(nodeId);
    if (!process.rpc.connection.isOpen) throw new WorkerCrashedError(`${process.id} is gone.`);
    // Known before the request: the worker may speak before the answer is here.
    this.#opened.set(relayId, { process, peer });
    try {
      await peer.request("openRelay", { relayId, workerId, from: process.id, jobId: process.jobId });
    } catch (error) {
      this.#opened.delete(relayId);
      throw error;
    }
    // Its process ended meanwhile, and the word of that came to the peer before the relay was there.
    if (!this.#opened.has(relayId)) peer.notify("closeRelay", { relayId });
    return {};
  }

  /** PeerMethods.openRelay, and the near half of a relay within this node. */
  async openHere(
    near: NearEnd,
    { relayId, workerId, from, jobId }: {
      relayId: string;
      workerId: ProcessId;
      from: ProcessId;
      jobId: JobId | null;
    },
  ): Promise<Record<string, never>> {
    this.#checkFree(relayId);
    const path = this.#options.socketOf(workerId);
    if (path === null) {
      throw new WorkerCrashedError(`The worker ${workerId} is not (any more) at ${this.#options.nodeId}.`);
    }
    const hello: Hello = {
      ...this.#options.hello("push"),
      role: from.startsWith("w-") ? "worker" : "driver",
      id: from,
      ...(jobId === null ? {} : { jobId }),
    };
    const connection = await connectUnix({ path, hello });
    if (!near.connection.isOpen) {
      connection.close();
      throw new NodeDiedError(`${from} is gone.`);
    }
    const end: WorkerEnd = { connection, near, outgoing: [] };
    this.#workerEnds.set(relayId, end);
    connection.onClose = () => {
      this.#flush(relayId, end);
      if (this.#workerEnds.delete(relayId)) near.notify("closeRelay", { relayId });
    };
    connection.onFrame = () => this.#fromWorker(relayId, end);
    return {};
  }

  /** Frames from the submitter's side or, of a relay that was opened here, from the worker's. */
  frames(relayId: string, frames: readonly Uint8Array[]): void {
    const end = this.#workerEnds.get(relayId);
    if (end !== undefined) {
      // Views of a received chunk: what waits for the worker must be bytes of its own.
      for (const frame of frames) end.connection.sendEncoded(frame.slice());
      return;
    }
    this.#opened.get(relayId)?.process.rpc.notify(
      "relayFrame",
      { relayId },
      frames.map((frame) => frame.slice()),
    );
  }

  /** Frames from the process that opened it. */
  framesFrom(process: AttachedProcess, relayId: string, frames: readonly Uint8Array[]): void {
    const opened = this.#opened.get(relayId);
    if (opened !== undefined) {
      if (opened.process !== process) return; // Not its relay.
      opened.peer.notify("relayFrame", { relayId }, frames.map((frame) => frame.slice()));
      return;
    }
    if (this.#workerEnds.get(relayId)?.near === process.rpc) this.frames(relayId, frames);
  }

  /** The other side closed it. */
  closed(relayId: string): void {
    const end = this.#workerEnds.get(relayId);
    if (end !== undefined) {
      this.#workerEnds.delete(relayId);
      end.connection.close();
      return;
    }
    const opened = this.#opened.get(relayId);
    this.#opened.delete(relayId);
    opened?.process.rpc.notify("closeRelay", { relayId });
  }

  /** The process that opened it closed it. */
  closedFrom(process: AttachedProcess, relayId: string): void {
    const opened = this.#opened.get(relayId);
    if (opened !== undefined) {
      if (opened.process !== process) return;
      this.#opened.delete(relayId);
      opened.peer.notify("closeRelay", { relayId });
      return;
    }
    if (this.#workerEnds.get(relayId)?.near === process.rpc) this.closed(relayId);
  }

  processDied(process: AttachedProcess): void {
    for (const [relayId, opened] of this.#opened) {
      if (opened.process === process) this.closedFrom(process, relayId);
    }
    for (const [relayId, end] of this.#workerEnds) if (end.near === process.rpc) this.closed(relayId);
  }

  peerLost(rpc: PeerRpc): void {
    for (const [relayId, opened] of this.#opened) if (opened.peer === rpc) this.closed(relayId);
    for (const [relayId, end] of this.#workerEnds) if (end.near === rpc) this.closed(relayId);
  }

  close(): void {
    for (const { connection } of this.#workerEnds.values()) connection.close();
  }

  #checkFree(relayId: string): void {
    if (this.#opened.has(relayId) || this.#workerEnds.has(relayId)) {
      throw new Error(`Relay ${relayId} is open already.`);
    }
    if (this.size >= RELAYS_MAX) throw new Error(`Cannot open a relay: ${this.size} are open.`);
  }

  #fromWorker(relayId: string, end: WorkerEnd): void {
    end.outgoing.push(end.connection.frameBytes().slice());
    if (end.outgoing.length === 1) queueMicrotask(() => this.#flush(relayId, end));
    else if (end.outgoing.length >= FRAMES_PER_MESSAGE) this.#flush(relayId, end);
  }

  #flush(relayId: string, end: WorkerEnd): void {
    if (end.outgoing.length === 0) return;
    const frames = end.outgoing;
    end.outgoing = [];
    end.near.notify("relayFrame", { relayId }, frames);
    const { connection } = end.near;
    if (connection.writable || !connection.isOpen) return;
    // The submitter reads too slowly: the worker shall feel it.
    end.connection.pauseReading();
    connection.drained().then(() => end.connection.resumeReading(), () => undefined);
  }
}
