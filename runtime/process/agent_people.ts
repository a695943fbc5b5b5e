/**
 * What an agent tells the head for people, with each heartbeat: its workers and what they use, its actors' figures, what is on
 * its way to the node and what has come. Nothing depends on it.
 * @module
 */
import type { WorkerReport } from "../protocol/node_rows.ts";
import type { AgentParts } from "./agent_handlers.ts";
import { IncomingReports } from "./agent_incoming.ts";
import { TransferReports } from "./agent_transfers.ts";
import { WorkerFigureReports } from "./agent_worker_figures.ts";
import { WorkerRows } from "./agent_worker_rows.ts";

type Parts = Pick<AgentParts, "head" | "workers" | "leases" | "actors" | "store">;

/** See the module's header. */
export class PeopleReports {
  readonly #parts: Parts;
  readonly #workerRows: WorkerRows;
  readonly #workerFigures: WorkerFigureReports;
  readonly #incoming: IncomingReports;
  readonly #transfers: TransferReports;

  constructor(parts: Parts) {
    const { head, workers, leases, actors } = parts;
    this.#parts = parts;
    this.#workerRows = new WorkerRows({
      head,
      workers,
      workOf: (id) => leases.scheduler.workOf(id),
      actorOf: (id) => actors.hostedBy(id),
    });
    this.#workerFigures = new WorkerFigureReports(head, workers);
    this.#incoming = new IncomingReports(head);
    this.#transfers = new TransferReports(head);
  }

  /** With each heartbeat, while the head can be reached. */
  tell(): void {
    const { actors, store } = this.#parts;
    this.#workerRows.tell();
    this.#workerFigures.tell();
    actors.figures.tell();
    this.#incoming.tell(store.pulls.all());
    this.#transfers.tell(store.pulls.received());
  }

  /** The node's worker processes, as they are now. */
  workers(): WorkerReport[] {
    return this.#workerRows.rows();
  }

  /** The head may be a new one, and has heard nothing. */
  tellAgain(): void {
    this.#workerRows.tellAgain();
    this.#workerFigures.tellAgain();
    this.#parts.actors.figures.tellAgain();
    this.#transfers.tellAgain();
  }
}
