/**
 * Push connections to workers of other nodes, through both agents (and to this node's workers for drivers that are
 * elsewhere). Whole frames are passed on unread. At the submitter's side a relay is a pair (process, peer connection); at
 * the worker's side it ends in a connection to the worker's own socket.
 * @module
 */
import { NodeDiedError, WorkerCrashedError } from "../common/errors.ts";
import type { JobId, NodeId, ProcessId } from "../common/ids.ts";
import type { Hello } from "../protocol/messages.ts";
import type { MakesAgain } from "../protocol/push.ts";
import type { Connection } from "../io/transport/connection.ts";
import { connectUnix } from "../io/transport/unix.ts";
import type { AttachedProcess } from "./agent_processes.ts";
import type { PeerRpc, Peers } from "./agent_peers.ts";
import { FrameInspector } from "./sandbox_frames.ts";

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
  readonly guard: Guard | null;
}

/** Looks through what passes, where an end of the relay is restricted. Throws for what may not pass. */
interface Guard {
  toWorker(frames: readonly Uint8Array[]): void;
  fromWorker(frames: readonly Uint8Array[]): void;
}

/** The worker's side. */
interface WorkerEnd {
  readonly connection: Connection;
  readonly near: NearEnd;
  readonly guard: Guard | null;
  /** Frames from the worker that leave at the end of this tick. */
  outgoing: Uint8Array[];
}

export interface RelaysOptions {
  readonly nodeId: NodeId;
  readonly peers: Peers;
  readonly hello: (purpose: Hello["purpose"]) => Hello;
  /** A worker of this node that is ready; its own secret, if it has one, opens it. */
  readonly workerOf: (
    workerId: ProcessId,
  ) => { readonly socketPath: string; readonly secret: string | null } | null;
  readonly processOf: (id: ProcessId) => AttachedProcess | null;
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
      return await this.openHere(process.rpc, {
        relayId,
        workerId,
        from: process.id,
        at: this.#options.nodeId,
        jobId: process.jobId,
      });
    }
    const peer = await this.#options.peers.connect(nodeId);
    if (!process.rpc.connection.isOpen) throw new WorkerCrashedError(`${process.id} is gone.`);
    // Known before the request: the worker may speak before the answer is here.
    this.#opened.set(relayId, { process, peer, guard: guardOf(process, workerId, null, process.id) });
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
    { relayId, workerId, from, at, jobId }: {
      relayId: string;
      workerId: ProcessId;
      from: ProcessId;
      /** The opener's node: the home of what the worker makes for it. */
      at: NodeId;
      jobId: JobId | null;
    },
  ): Promise<Record<string, never>> {
    this.#checkFree(relayId);
    const worker = this.#options.workerOf(workerId);
    if (worker === null) {
      throw new WorkerCrashedError(`The worker ${workerId} is not (any more) at ${this.#options.nodeId}.`);
    }
    const { socketPath: path, secret } = worker;
    const own = this.#options.hello("push");
    const hello: Hello = {
      ...own,
      token: secret ?? own.token,
      role: from.startsWith("w-") ? "worker" : "driver",
      id: from,
      nodeId: at,
      ...(jobId === null ? {} : { jobId }),
    };
    const connection = await connectUnix({ path, hello });
    if (!near.connection.isOpen) {
      connection.close();
      throw new NodeDiedError(`${from} is gone.`);
    }
    const { processOf } = this.#options;
    const submitter = processOf(from);
    const guard = guardOf(submitter?.rpc === near ? submitter : null, workerId, processOf(workerId), from);
    const end: WorkerEnd = { connection, near, guard, outgoing: [] };
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
      if (!this.#passes(relayId, () => end.guard?.toWorker(frames))) return;
      // Views of a received chunk: what waits for the worker must be bytes of its own.
      for (const frame of frames) end.connection.sendEncoded(frame.slice());
      return;
    }
    const opened = this.#opened.get(relayId);
    if (opened === undefined || !this.#passes(relayId, () => opened.guard?.fromWorker(frames))) return;
    opened.process.rpc.notify("relayFrame", { relayId }, frames.map((frame) => frame.slice()));
  }

  /** Frames from the process that opened it. */
  framesFrom(process: AttachedProcess, relayId: string, frames: readonly Uint8Array[]): void {
    const opened = this.#opened.get(relayId);
    if (opened !== undefined) {
      if (opened.process !== process) return; // Not its relay.
      if (!this.#passes(relayId, () => opened.guard?.toWorker(frames))) return;
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

  /** What may not pass ends the relay, for both ends. */
  #passes(relayId: string, look: () => void): boolean {
    try {
      look();
      return true;
    } catch (error) {
      console.error(`relay ${relayId} ends: ${(error as Error).message}`);
      this.#end(relayId);
      return false;
    }
  }

  #end(relayId: string): void {
    const end = this.#workerEnds.get(relayId);
    if (end !== undefined) {
      this.#workerEnds.delete(relayId);
      end.connection.close();
      end.near.notify("closeRelay", { relayId });
    }
    const opened = this.#opened.get(relayId);
    if (opened === undefined) return;
    this.#opened.delete(relayId);
    opened.peer.notify("closeRelay", { relayId });
    opened.process.rpc.notify("closeRelay", { relayId });
  }

  #checkFree(relayId: string): void {
    if (this.#opened.has(relayId) || this.#workerEnds.has(relayId)) {
      throw new Error(`Relay ${relayId} is open already.`);
    }
    if (this.size >= RELAYS_MAX) throw new Error(`Cannot open a relay: ${this.size} are open.`);
  }

  #fromWorker(relayId: string, end: WorkerEnd): void {
    const frame = end.connection.frameBytes().slice();
    if (!this.#passes(relayId, () => end.guard?.fromWorker([frame]))) return;
    end.outgoing.push(frame);
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

/** `submitter`, `worker`: as attached to this agent; null for one at the other end. */
function guardOf(
  submitter: AttachedProcess | null,
  workerId: ProcessId,
  worker: AttachedProcess | null,
  from: ProcessId,
): Guard | null {
  const speaking = submitter?.sandbox ?? null;
  const running = worker?.sandbox ?? null;
  if (speaking === null && running === null) return null;
  const rules: { toWorker: FrameInspector[]; fromWorker: FrameInspector[] } = {
    toWorker: [],
    fromWorker: [],
  };
  if (speaking !== null) {
    const code = (): void => {
      if (!speaking.leased.has(workerId)) {
        speaking.refuse(`send code to ${workerId}, which it does not lease`);
      }
    };
    const remakes = ({ task }: MakesAgain): void => speaking.ownTask(task);
    rules.toWorker.push(new FrameInspector("submitter", { refs: speaking.checks, code, remakes }));
    rules.fromWorker.push(new FrameInspector("worker", { refs: speaking.grants }));
  }
  if (running !== null) {
    const pushed = (sequence: number): void => running.given(from, sequence);
    const remakes = ({ owner, task }: MakesAgain): void => running.givenAgain(owner, task);
    rules.toWorker.push(new FrameInspector("submitter", { refs: running.grants, pushed, remakes }));
    rules.fromWorker.push(new FrameInspector("worker", { refs: running.checks }));
  }
  return {
    toWorker: (frames) => rules.toWorker.forEach((inspector) => inspector.push(frames)),
    fromWorker: (frames) => rules.fromWorker.forEach((inspector) => inspector.push(frames)),
  };
}
