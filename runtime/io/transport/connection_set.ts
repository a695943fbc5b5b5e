/**
 * The connections of one listener, for its end: what is queued on them is written before they close.
 * @module
 */
import type { Connection } from "./connection.ts";

/** Peers that do not follow a goodbye are cut after this long. */
const CLOSE_ALL_MS = 1_000;

export class ConnectionSet {
  readonly #connections = new Set<Connection>();

  add(connection: Connection): void {
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
  }

  /** End all: gracefully where the peer was welcomed, at once elsewhere. Resolves when all have closed. */
  async close(): Promise<void> {
    const connections = [...this.#connections];
    for (const connection of connections) {
      if (connection.peer === null) connection.destroy(null);
      else connection.close();
    }
    const timer = setTimeout(
      () => connections.forEach((connection) => connection.destroy(null)),
      CLOSE_ALL_MS,
    );
    await Promise.all(connections.map((connection) => connection.closed));
    clearTimeout(timer);
  }
}
