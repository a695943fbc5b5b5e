/**
 * What this node's store has received from each peer, told to the head with each heartbeat, for people.
 * @module
 */
import type { NodeId } from "../common/ids.ts";
import type { Received } from "../io/store/received_bytes.ts";
import type { TransferReport } from "../protocol/node_questions.ts";
import type { HeadLink } from "./agent_head_link.ts";

/** In one report; the rest goes with the next heartbeat. */
const PEERS_MAX = 500;

/** See the module's header. */
export class TransferReports {
  readonly #head: HeadLink;
  /** Bytes and finished transfers that were told, by peer. */
  readonly #told = new Map<NodeId, Readonly<Received>>();

  constructor(head: HeadLink) {
    this.#head = head;
  }

  /** With each heartbeat. Sums are whole, so that a report that is lost is made good by the next that has something new. */
  tell(received: Iterable<[NodeId, Readonly<Received>]>): void {
    const news: TransferReport[] = [];
    for (const [from, { bytes, transfers }] of received) {
      const told = this.#told.get(from);
      if (told !== undefined && told.bytes === bytes && told.transfers === transfers) continue;
      if (news.length === PEERS_MAX) break;
      this.#told.set(from, { bytes, transfers });
      news.push({ from, bytes, transfers });
    }
    if (news.length > 0) this.#head.notify("reportTransfers", { received: news });
  }

  /** The head may be a new one. */
  tellAgain(): void {
    this.#told.clear();
  }
}
