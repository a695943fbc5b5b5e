/**
 * A channel for pushes to one worker process: its unix socket on this node, or a relay through both agents to another
 * node. The relay carries whole frames, so both ends speak the same protocol and the agents understand nothing of it.
 * @module
 */
import { encodeFrame, FrameParser } from "../../protocol/frames.ts";
import type { FrameHandler } from "../../protocol/frames.ts";
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { AgentLink } from "./agent_link.ts";

/** What Connection and Relay have in common. */
export interface PushChannel {
  /** False when the channel is over. */
  send(type: number, header: Uint8Array | string, sections?: readonly Uint8Array[]): boolean;
  /** Write what was sent now, not at the end of the tick. */
  flush(): void;
  close(): void;
  set onFrame(handler: FrameHandler | null);
  set onClose(handler: ((error: Error | null) => void) | null);
}

/** All relays of this process, by id; frames come in through the agent's connection. */
export class RelayTable {
  readonly #link: AgentLink;
  readonly #relays = new Map<string, Relay>();
  readonly #self: ProcessId;
  #next = 1;

  constructor(link: AgentLink, self: ProcessId) {
    this.#link = link;
    this.#self = self;
  }

  async open(nodeId: NodeId, workerId: ProcessId): Promise<PushChannel> {
    const relayId = `${this.#self}:${this.#next++}`;
    const relay = new Relay(this.#link, relayId, () => this.#relays.delete(relayId));
    // Known before the request: the worker may speak before the answer is here.
    this.#relays.set(relayId, relay);
    try {
      await this.#link.request("openRelay", { relayId, nodeId, workerId });
    } catch (error) {
      this.#relays.delete(relayId);
      throw error;
    }
    return relay;
  }

  received(relayId: string, frames: readonly Uint8Array[]): void {
    this.#relays.get(relayId)?.received(frames);
  }

  closed(relayId: string): void {
    this.#relays.get(relayId)?.ended(null);
  }

  closeAll(error: Error | null): void {
    for (const relay of [...this.#relays.values()]) relay.ended(error);
  }
}

class Relay implements PushChannel {
  readonly #link: AgentLink;
  readonly #relayId: string;
  readonly #forget: () => void;
  readonly #parser: FrameParser;
  readonly #held: Parameters<FrameHandler>[] = [];
  #onFrame: FrameHandler | null = null;
  #onClose: ((error: Error | null) => void) | null = null;
  #outgoing: Uint8Array[] = [];
  #open = true;

  constructor(link: AgentLink, relayId: string, forget: () => void) {
    this.#link = link;
    this.#relayId = relayId;
    this.#forget = forget;
    this.#parser = new FrameParser((...frame) => {
      if (this.#onFrame === null) this.#held.push(frame);
      else this.#onFrame(...frame);
    });
  }

  set onFrame(handler: FrameHandler | null) {
    this.#onFrame = handler;
    if (handler !== null) { for (const frame of this.#held.splice(0)) handler(...frame); }
  }

  set onClose(handler: ((error: Error | null) => void) | null) {
    this.#onClose = handler;
    if (!this.#open) queueMicrotask(() => this.#tellClosed(null));
  }

  send(type: number, header: Uint8Array | string, sections?: readonly Uint8Array[]): boolean {
    if (!this.#open) return false;
    this.#outgoing.push(encodeFrame(type, 0, header, sections));
    if (this.#outgoing.length === 1) queueMicrotask(() => this.#flush());
    return true;
  }

  received(frames: readonly Uint8Array[]): void {
    if (!this.#open) return;
    try {
      for (const frame of frames) this.#parser.push(frame);
    } catch (error) {
      this.#link.notify("closeRelay", { relayId: this.#relayId });
      this.ended(error as Error);
    }
  }

  flush(): void {
    this.#flush();
    this.#link.flush();
  }

  close(): void {
    if (!this.#open) return;
    this.#flush();
    this.#link.notify("closeRelay", { relayId: this.#relayId });
    this.ended(null);
  }

  ended(error: Error | null): void {
    if (!this.#open) return;
    this.#open = false;
    this.#forget();
    this.#tellClosed(error);
  }

  #flush(): void {
    if (this.#outgoing.length === 0 || !this.#open) return;
    const frames = this.#outgoing;
    this.#outgoing = [];
    this.#link.notify("relayFrame", { relayId: this.#relayId }, frames);
  }

  #tellClosed(error: Error | null): void {
    const handler = this.#onClose;
    this.#onClose = null;
    handler?.(error);
  }
}
