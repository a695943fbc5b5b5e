/**
 * Code by content hash, as one process knows it: what it defined itself, and what arrived as a RemoteFunction or an
 * actor's class. Definitions go to the GCS function table once; pushes carry them too, so that no task waits for it.
 * @module
 */
import { MobulaError } from "../../common/errors.ts";
import type { AgentLink } from "./agent_link.ts";

/** One function or class. */
export class FunctionRecord {
  readonly hash: string;
  readonly kind: "function" | "class";
  readonly name: string;
  readonly source: string;
  /** Encoded captures, or null when it has none. */
  readonly captures: Uint8Array | null;
  /** Run time of its tasks in this process, for pipelining. */
  readonly timing: { estimateUs: number };
  /** The record that it is another name of. */
  readonly base: FunctionRecord | null;
  /** Runs after which a worker ends; 0: no limit. */
  readonly maxCalls: number;
  /** When this process sent it to the function table, until a task's trace has told it. */
  exportedMs: number | null = null;
  #sections: Uint8Array[] | null = null;

  constructor(
    init: {
      hash: string;
      kind: "function" | "class";
      name: string;
      source: string;
      captures: Uint8Array | null;
      maxCalls?: number;
    },
    base: FunctionRecord | null = null,
  ) {
    this.base = base;
    this.timing = base?.timing ?? { estimateUs: 0 };
    this.maxCalls = init.maxCalls ?? 0;
    this.hash = init.hash;
    this.kind = init.kind;
    this.name = init.name;
    this.source = init.source;
    this.captures = init.captures;
  }

  /** The same code under another name (calls with the option `name`) or with a limit of runs. */
  variant(name: string, maxCalls: number): FunctionRecord {
    if (name === this.name && maxCalls === this.maxCalls) return this;
    const { hash, kind, source, captures } = this;
    return new FunctionRecord({ hash, kind, name, source, captures, maxCalls }, this);
  }

  /** What tells definitions apart on a connection: the same code may be made remote, or given a name, over and over. */
  get key(): string {
    return `${this.hash} ${this.maxCalls} ${this.name}`;
  }

  /** Source and captures as they travel. */
  sections(): Uint8Array[] {
    this.#sections ??= this.base?.sections() ?? [
      new TextEncoder().encode(this.source),
      ...(this.captures === null ? [] : [this.captures]),
    ];
    return this.#sections;
  }
}

/** See the module's header. */
export class FunctionTable {
  readonly #link: AgentLink;
  readonly #exports = new Map<string, Promise<void>>();
  readonly #fetches = new Map<string, Promise<FunctionRecord>>();

  constructor(link: AgentLink) {
    this.#link = link;
  }

  /** Send a definition to the function table, once; resolves when it is committed there. */
  export(record: FunctionRecord): Promise<void> {
    // It arrived as a value: who defined it has sent it, and who needs it waits for it there.
    if (record.source === "") return Promise.resolve();
    let exported = this.#exports.get(record.hash);
    if (exported === undefined) {
      const { hash, kind, name } = record;
      record.exportedMs = performance.timeOrigin + performance.now();
      exported = this.#link.request("exportFunction", { hash, kind, name }, record.sections()).then(() =>
        undefined
      );
      // Who needs it awaits it; for tasks the push carries the code, so a lost agent is found out elsewhere.
      exported.catch(() => this.#exports.delete(hash));
      this.#exports.set(hash, exported);
    }
    return exported;
  }

  /** A definition from the function table. */
  fetch(hash: string): Promise<FunctionRecord> {
    let fetched = this.#fetches.get(hash);
    if (fetched === undefined) {
      fetched = this.#fetch(hash);
      fetched.catch(() => this.#fetches.delete(hash));
      this.#fetches.set(hash, fetched);
    }
    return fetched;
  }

  async #fetch(hash: string): Promise<FunctionRecord> {
    const { result, sections } = await this.#link.request("fetchFunction", { hash });
    if (result.kind !== "function" && result.kind !== "class") {
      throw new MobulaError(`${result.name} (${hash}) is a ${result.kind}, not a function`);
    }
    return new FunctionRecord({
      hash,
      kind: result.kind,
      name: result.name,
      source: new TextDecoder().decode(sections[0]!),
      captures: sections[1]?.slice() ?? null,
    });
  }

  /** The codec of a registered class, from the function table. */
  async fetchCodec(hash: string): Promise<{ name: string; source: string }> {
    const { result, sections } = await this.#link.request("fetchFunction", { hash });
    return { name: result.name, source: new TextDecoder().decode(sections[0]!) };
  }

  exportCodec(hash: string, name: string, source: string): Promise<void> {
    const kind = "codec" as const;
    let exported = this.#exports.get(hash);
    if (exported === undefined) {
      const bytes = new TextEncoder().encode(source);
      exported = this.#link.request("exportFunction", { hash, kind, name }, [bytes]).then(() => undefined);
      exported.catch(() => this.#exports.delete(hash));
      this.#exports.set(hash, exported);
    }
    return exported;
  }
}
