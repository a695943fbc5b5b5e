/**
 * An agent's connections to others for the bytes of objects, made when first needed: to each node as many as transfers from
 * it have lanes. The first stays; the others are closed when they have been idle for a while.
 * @module
 */
import { TRANSFER_CONNECTION_IDLE_MS } from "../common/config.ts";
import type { NodeId } from "../common/ids.ts";
import type { TlsOptions } from "../io/transport/http2.ts";
import { ObjectClient } from "../io/transport/object_client.ts";
import type { Peers } from "./agent_peers.ts";

export interface ObjectClientsOptions {
  readonly peers: Pick<Peers, "addressOf">;
  readonly token: string;
  readonly clusterId: string;
  readonly tls: TlsOptions | undefined;
}

interface Lane {
  readonly client: Promise<ObjectClient>;
  /** Transfers that use it now. */
  users: number;
  timer: NodeJS.Timeout | null;
}

/** See the module's header. */
export class ObjectClients {
  readonly #options: ObjectClientsOptions;
  readonly #idleMs: number;
  /** By node and number. All and only connections that are open or being made. */
  readonly #lanes: Map<string, Lane> = new Map();

  constructor(options: ObjectClientsOptions, idleMs: number = TRANSFER_CONNECTION_IDLE_MS) {
    this.#options = options;
    this.#idleMs = idleMs;
  }

  /** Connections that are open or being made. */
  get count(): number {
    return this.#lanes.size;
  }

  /** Runs a transfer over the connection with this number. Rejects as `transfer`, and when there is no connection. */
  async use(node: NodeId, number: number, transfer: (client: ObjectClient) => Promise<void>): Promise<void> {
    const key = `${node} ${number}`;
    const lane = this.#lanes.get(key) ?? this.#open(key, node);
    lane.users++;
    if (lane.timer !== null) clearTimeout(lane.timer);
    lane.timer = null;
    try {
      await transfer(await lane.client);
    } finally {
      if (--lane.users === 0 && number > 0 && this.#lanes.get(key) === lane) {
        lane.timer = setTimeout(() => this.#close(key, lane), this.#idleMs);
        lane.timer.unref?.();
      }
    }
  }

  close(): void {
    for (const [key, lane] of [...this.#lanes]) this.#close(key, lane);
  }

  #close(key: string, lane: Lane): void {
    this.#forget(key, lane);
    lane.client.then((client) => client.close(), () => undefined);
  }

  #forget(key: string, lane: Lane): void {
    if (lane.timer !== null) clearTimeout(lane.timer);
    lane.timer = null;
    if (this.#lanes.get(key) === lane) this.#lanes.delete(key);
  }

  #open(key: string, node: NodeId): Lane {
    const { peers, token, clusterId, tls } = this.#options;
    const client = Promise.resolve().then(() =>
      ObjectClient.connect({
        address: peers.addressOf(node),
        token,
        clusterId,
        ...(tls === undefined ? {} : { tls }),
      })
    );
    const lane: Lane = { client, users: 0, timer: null };
    this.#lanes.set(key, lane);
    client.then((open) => open.onClose(() => this.#forget(key, lane)), () => this.#forget(key, lane));
    return lane;
  }
}
