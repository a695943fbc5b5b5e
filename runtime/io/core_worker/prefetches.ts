/**
 * What wait() with fetchLocal asks for ahead of need: objects that exist, but not here, and that it does not wait for any longer.
 * The node's agent fetches them while it has room (PullPurpose), so that a later get finds them. Each is asked for once.
 * @module
 */
import type { AgentLink } from "./agent_link.ts";
import type { Identity } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import { type ObjectTarget, targetOf } from "./store_access.ts";

/** Asked for by one wait; the agent takes no more at once. */
const OBJECTS_MAX = 100;

export class Prefetches {
  readonly #link: AgentLink;
  readonly #identity: Identity;
  readonly #asked = new WeakSet<Entry>();

  constructor(link: AgentLink, identity: Identity) {
    this.#link = link;
    this.#identity = identity;
  }

  ask(entries: readonly Entry[]): void {
    let objects: ObjectTarget[] | null = null;
    for (const entry of entries) {
      const { state } = entry;
      if (state !== "remote" && (state !== "stored" || entry.location === this.#identity.node)) continue;
      if (this.#asked.has(entry)) continue;
      this.#asked.add(entry);
      (objects ??= []).push(targetOf(entry));
      if (objects.length === OBJECTS_MAX) break;
    }
    if (objects !== null) this.#link.notify("prefetch", { objects });
  }
}
