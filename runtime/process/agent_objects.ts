/**
 * What a node's object store asks of its agent: the head for locations, other agents for references and bytes.
 * @module
 */
import type { ActorId, NodeId, ObjectId } from "../common/ids.ts";
import { transferConnections } from "../io/environment.ts";
import type { NodeRefChange, ObjectStep, PartReceiver, StoreHost } from "../io/store/store_host.ts";
import type { TlsOptions } from "../io/transport/http2.ts";
import type { HeadMethods, ObjectReport } from "../protocol/messages.ts";
import type { Heirs } from "./agent_heirs.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { Peers } from "./agent_peers.ts";
import type { ProcessTable } from "./agent_processes.ts";
import { ObjectClients } from "./agent_object_clients.ts";
import { rebuilt, type Remaking } from "./agent_rebuilds.ts";
import type { Tracer } from "./agent_tracer.ts";

/** Number of a step in the design's journey "get". */
const GET_STEPS: Readonly<Record<ObjectStep["name"], number>> = {
  local: 1,
  lookup: 2,
  callback: 3,
  pull: 4,
  wake: 4,
};
/** And in the journey "submit", for arguments. */
const ARGUMENT_STEPS: Readonly<Record<string, { step: number; name: string }>> = {
  local: { step: 5, name: "argsLocal" },
  lookup: { step: 5, name: "argsLookup" },
  pull: { step: 6, name: "pull" },
};
/** A peer that cannot be told is tried again after this long, until it is declared dead. */
const RETRY_MS = 200;

export interface StoreHostParts {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly token: string;
  readonly tls: TlsOptions | undefined;
  readonly head: HeadLink;
  readonly peers: Peers;
  readonly processes: ProcessTable;
  readonly heirs: Heirs;
  readonly tracer: Tracer;
  readonly log: (text: string) => void;
}

/** Actors of one message. */
const OUT_OF_SCOPE_MAX = 2_000;

export class AgentStoreHost implements StoreHost {
  readonly nodeId: NodeId;
  /** What was said while the store was opened, when no driver could hear it. */
  readonly warnings: string[] = [];
  readonly #parts: StoreHostParts;
  readonly lanes: number = transferConnections();
  readonly #clients: ObjectClients;
  /** Reference changes reach a home in their order: each waits for the one before. */
  readonly #referenceTails: Map<NodeId, Promise<void>> = new Map();
  /** Actors that nobody refers to any more, until the head is told at the end of this tick. */
  readonly #outOfScope: ActorId[] = [];
  #added: Map<ObjectId, ObjectReport> = new Map();
  #removed: Set<ObjectId> = new Set();
  #reporting: boolean = false;
  #closed: boolean = false;

  constructor(parts: StoreHostParts) {
    this.nodeId = parts.nodeId;
    this.#parts = parts;
    this.#clients = new ObjectClients(parts);
  }

  async locate(
    params: HeadMethods["locateObject"]["params"],
    signal: AbortSignal,
  ): Promise<HeadMethods["locateObject"]["result"]> {
    const { head } = this.#parts;
    const cancel = (): void => head.notify("cancelLocate", { requestId: params.requestId });
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await this.#locateOrRebuild(params, signal);
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  async #locateOrRebuild(
    params: HeadMethods["locateObject"]["params"],
    signal: AbortSignal,
  ): Promise<HeadMethods["locateObject"]["result"]> {
    let made: Remaking = null;
    for (;;) {
      const where = made === null ? params : { ...params, at: made.at, remade: true };
      try {
        return (await this.#parts.head.request("locateObject", where, [], { signal })).result;
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== "ObjectLostError" || !params.wait || this.#closed) throw error;
        made = await rebuilt(this.#parts, params, made, error as Error);
      }
    }
  }

  /** Changes of one tick and of the time that the last report takes go together: the last word on an object counts. */
  report(added: ObjectReport[], removed: ObjectId[]): void {
    for (const report of added) {
      this.#removed.delete(report.id);
      this.#added.set(report.id, report);
    }
    for (const id of removed) {
      this.#added.delete(id);
      this.#removed.add(id);
    }
    if (this.#reporting) return;
    this.#reporting = true;
    queueMicrotask(() => void this.#sendReports());
  }

  free(ids: ObjectId[]): void {
    this.#parts.heirs.freed(ids);
    // As a request, so that it is sent again until the head has heard of it.
    this.#parts.head.request("freeObjects", { ids }, [], { keep: true }).catch(() => undefined);
  }

  stranded(at: NodeId, ids: ObjectId[]): void {
    this.#parts.head.request("objectsMadeAt", { at, ids }, [], { keep: true }).catch(() => undefined);
  }

  /** Those of one tick are told together: a program may let go of a hundred thousand. */
  actorOutOfScope(actorId: ActorId): void {
    if (this.#outOfScope.push(actorId) > 1) return;
    queueMicrotask(() => {
      while (this.#outOfScope.length > 0) {
        const actorIds = this.#outOfScope.splice(0, OUT_OF_SCOPE_MAX);
        this.#parts.head.request("actorsOutOfScope", { actorIds }, [], { keep: true }).catch(() => undefined);
      }
    });
  }

  sendReferences(home: NodeId, changes: NodeRefChange[]): Promise<void> {
    const before = this.#referenceTails.get(home) ?? Promise.resolve();
    const told = before.then(() => this.#tellHome(home, changes));
    const tail = told.catch(() => undefined);
    this.#referenceTails.set(home, tail);
    tail.then(() => {
      if (this.#referenceTails.get(home) === tail) this.#referenceTails.delete(home);
    });
    return told;
  }

  async fetchObject(
    node: NodeId,
    { lane, ...part }: Parameters<StoreHost["fetchObject"]>[1],
    receiver: PartReceiver,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#clients.use(node, lane, async (client) => {
      await client.fetch({ ...part, ...receiver, from: this.nodeId, signal });
    });
  }

  collectGarbage(): void {
    for (const { rpc } of this.#parts.processes.all()) rpc.notify("collectGarbage", {});
  }

  warn(text: string): void {
    this.#parts.log(text);
    this.warnings.push(text);
  }

  step({ name, id, purpose, detail }: ObjectStep): void {
    const { tracer } = this.#parts;
    const argument = ARGUMENT_STEPS[name];
    if (purpose === "argument") {
      if (argument !== undefined) tracer.argumentStep(id, argument.name, argument.step, detail);
    } else tracer.objectStep(id, name, GET_STEPS[name], detail);
  }

  close(): void {
    this.#closed = true;
    this.#clients.close();
  }

  async #sendReports(): Promise<void> {
    const { head } = this.#parts;
    try {
      while (this.#added.size > 0 || this.#removed.size > 0) {
        const added = [...this.#added.values()];
        const removed = [...this.#removed];
        this.#added = new Map();
        this.#removed = new Set();
        await head.request("reportObjects", { nodeId: this.nodeId, added, removed }, [], { keep: true });
      }
    } catch (error) {
      if (!this.#closed) this.#parts.log(`The head refused a report of objects: ${(error as Error).message}`);
    } finally {
      this.#reporting = false;
    }
  }

  /** Until it is counted or the home is dead. Counting is by (node, object), so that telling twice does no harm. */
  async #tellHome(home: NodeId, changes: NodeRefChange[]): Promise<void> {
    const { peers } = this.#parts;
    for (;;) {
      peers.addressOf(home); // Throws when it is dead.
      try {
        await peers.request(home, "references", { from: this.nodeId, changes });
        return;
      } catch (error) {
        if (this.#closed) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}
