/**
 * What a connection knows of the actor's client that it serves. An open connection is held by the process; were the client
 * held by it, no handle that was forgotten would ever be collected, and its actor would live on. Handles, calls under way
 * and whoever waits keep the client; the connection ends with it.
 * @module
 */
import type { ActorId } from "../../common/ids.ts";
import type { CoreContext, WorkerAddress } from "./core_context.ts";
import { sendingRegistry } from "./finalizers.ts";
import { WorkerLink, type WorkerLinkObserver } from "./worker_link.ts";

const collected = sendingRegistry<WorkerLink>((link) => link.close());

/** See the module's header. */
class WeakObserver implements WorkerLinkObserver {
  readonly #client: WeakRef<WorkerLinkObserver>;

  constructor(client: WorkerLinkObserver) {
    this.#client = new WeakRef(client);
  }

  replies(link: WorkerLink, header: Uint8Array): void {
    this.#client.deref()?.replies(link, header);
  }
  items(link: WorkerLink, header: Uint8Array): void {
    this.#client.deref()?.items(link, header);
  }
  handedBack(link: WorkerLink, header: Uint8Array, retired: boolean): void {
    this.#client.deref()?.handedBack(link, header, retired);
  }
  covered(link: WorkerLink, actorId: ActorId, through: number): void {
    this.#client.deref()?.covered?.(link, actorId, through);
  }
  opened(link: WorkerLink): void {
    this.#client.deref()?.opened(link);
  }
  lost(link: WorkerLink, error: Error | null): void {
    this.#client.deref()?.lost(link, error);
  }
}

/** A connection to the worker that hosts the client's actor. */
export function linkFor(
  core: CoreContext,
  address: WorkerAddress,
  client: WorkerLinkObserver,
): WorkerLink {
  const { workerId, nodeId } = address;
  const link = new WorkerLink(workerId, nodeId, core.openWorker(address), new WeakObserver(client));
  collected.register(client, link);
  return link;
}
