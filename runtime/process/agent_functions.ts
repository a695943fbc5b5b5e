/**
 * This node's part of the function table: code by content hash, fetched from the head at most once while it is used.
 * @module
 */
import type { AgentMethods } from "../protocol/messages.ts";
import { Reply } from "../io/transport/rpc.ts";
import type { HeadLink } from "./agent_head_link.ts";

/** Source that is kept here; what was not used for longest goes first. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;

type FunctionFacts = AgentMethods["fetchFunction"]["result"];
type Fetched = Reply<FunctionFacts>;

export class FunctionCache {
  readonly #head: HeadLink;
  /** Least recently used first. */
  readonly #functions: Map<string, Fetched> = new Map();
  readonly #exports: Map<string, Promise<Record<string, never>>> = new Map();
  readonly #fetches: Map<string, Promise<Fetched>> = new Map();
  #bytes: number = 0;

  constructor(head: HeadLink) {
    this.#head = head;
  }

  /** Answered after the commit. At once usable on this node. */
  export(
    params: AgentMethods["exportFunction"]["params"],
    sections: readonly Uint8Array[],
  ): Promise<Record<string, never>> {
    const { hash, kind, name } = params;
    const running = this.#exports.get(hash);
    if (running !== undefined) return running;
    const owned = sections.map((section) => section.slice());
    // Parts of folders are asked for by other nodes only, and would push all code out.
    if (kind !== "folder") this.#keep(hash, new Reply({ kind, name }, owned));
    const exported = this.#head.request("exportFunction", params, owned).then(({ result }) => result);
    this.#exports.set(hash, exported);
    return exported.finally(() => this.#exports.delete(hash));
  }

  fetch(hash: string): Promise<Fetched> | Fetched {
    const known = this.#functions.get(hash);
    if (known !== undefined) {
      this.#functions.delete(hash);
      this.#functions.set(hash, known);
      return known;
    }
    const running = this.#fetches.get(hash);
    if (running !== undefined) return running;
    const fetched = this.#head.request("fetchFunction", { hash }).then(({ result, sections }) => {
      const reply = new Reply(result, sections.map((section) => section.slice()));
      this.#keep(hash, reply);
      return reply;
    });
    this.#fetches.set(hash, fetched);
    const done = (): void => void this.#fetches.delete(hash);
    fetched.then(done, done);
    return fetched;
  }

  #keep(hash: string, reply: Fetched): void {
    if (this.#functions.has(hash)) return;
    this.#functions.set(hash, reply);
    this.#bytes += sizeOf(reply);
    for (const [oldest, old] of this.#functions) {
      if (this.#bytes <= CACHE_BYTES_MAX || oldest === hash) break;
      this.#functions.delete(oldest);
      this.#bytes -= sizeOf(old);
    }
  }
}

function sizeOf(reply: Fetched): number {
  return reply.sections.reduce((sum, section) => sum + section.length, 0);
}
