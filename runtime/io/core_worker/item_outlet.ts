/**
 * One generator call at its worker, as its caller steers it: credits and stop come in here, and wake it when it stands.
 * @module
 */
import { ItemProducer } from "../../core/worker/item_producer.ts";
import type { ItemsRequest } from "../../protocol/push.ts";
import type { ItemCredit } from "../../protocol/push_items.ts";

/** See the module's header. */
export class ItemOutlet {
  readonly producer: ItemProducer;
  /** What makes the items, for the task graph; known when it starts. */
  name = "";
  /** A wait for room was in vain, and the caller has read nothing since: it is not repeated for every item. */
  isUnread = false;
  readonly #attempt: number;
  #wake: (() => void) | null = null;

  constructor(request: ItemsRequest, attempt: number) {
    this.producer = new ItemProducer(request);
    this.#attempt = attempt;
  }

  credited({ attempt, items, bytes }: ItemCredit): void {
    if (attempt !== this.#attempt) return; // Meant for the attempt before.
    this.isUnread = false;
    this.producer.credited(items, bytes);
    this.#go();
  }

  stop(): void {
    this.producer.stop();
    this.#go();
  }

  /** Resolves with the next word of the caller. One at a time. */
  word(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  #go(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
