/**
 * What is on its way to this node, told to the head with each heartbeat, for people.
 * @module
 */
import type { ObjectId } from "../common/ids.ts";
import type { HeadLink } from "./agent_head_link.ts";

/** In one report; what is beyond is told when others have arrived. */
const INCOMING_MAX = 1_000;

/** Objects that are known here, and how far they are. */
type Pulls = Iterable<{ readonly id: ObjectId; readonly state: string }>;

/** See the module's header. */
export class IncomingReports {
  readonly #head: HeadLink;
  #toldSome = false;

  constructor(head: HeadLink) {
    this.#head = head;
  }

  /** With each heartbeat. A report is whole, so that one that is lost is made good by the next; none is sent while nothing comes. */
  tell(pulls: Pulls): void {
    const ids: ObjectId[] = [];
    for (const { id, state } of pulls) {
      if (state !== "fetching") continue;
      if (ids.length === INCOMING_MAX) break;
      ids.push(id);
    }
    if (ids.length === 0 && !this.#toldSome) return;
    this.#toldSome = ids.length > 0;
    this.#head.notify("reportIncoming", { ids });
  }
}
