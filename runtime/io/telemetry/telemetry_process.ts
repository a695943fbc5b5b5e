/**
 * The process that keeps the attempts of tasks and answers questions about them, so that neither the keeping nor the answering
 * takes time of the head's loop. It ends when the head does, and nothing is lost with it but what people can look at.
 * @module
 */
import { ChildPipe } from "../transport/child_pipe.ts";
import { TaskQueries } from "./tasks/task_queries.ts";
import { ATTEMPTS_MAX, TaskTelemetry } from "./tasks/task_telemetry.ts";
import {
  type BatchesMessage,
  type DiedMessage,
  type JobMessage,
  type LostMessage,
  type MarkMessage,
  type OpenTelemetry,
  type QueryMessage,
  TelemetryFrame,
} from "./telemetry_wire.ts";

const encoder = new TextEncoder();

class TelemetryProcess {
  #telemetry: TaskTelemetry = new TaskTelemetry(ATTEMPTS_MAX);
  #queries: TaskQueries = new TaskQueries(this.#telemetry);
  readonly #pipe: ChildPipe = new ChildPipe(
    process.stdin,
    process.stdout,
    (type, message) => this.#onMessage(type, message),
    () => process.exit(0),
  );

  #onMessage(type: number, message: unknown): void {
    switch (type) {
      case TelemetryFrame.open:
        this.#telemetry = new TaskTelemetry((message as OpenTelemetry).attemptsMax);
        this.#queries = new TaskQueries(this.#telemetry);
        return;
      case TelemetryFrame.batches:
        return this.#take(message as BatchesMessage);
      case TelemetryFrame.died:
        return this.#telemetry.processDied((message as DiedMessage).id);
      case TelemetryFrame.job:
        return this.#telemetry.job((message as JobMessage).job);
      case TelemetryFrame.mark:
        return this.#telemetry.mark((message as MarkMessage).marker);
      case TelemetryFrame.lost:
        this.#telemetry.lost = (message as LostMessage).rows;
        return;
      case TelemetryFrame.query:
        return this.#answer(message as QueryMessage);
    }
  }

  #take({ sequence, batches, isHistory }: BatchesMessage): void {
    for (const batch of batches) this.#telemetry.apply(batch, isHistory);
    const { size, evicted } = this.#telemetry.store;
    this.#pipe.send(TelemetryFrame.took, { sequence, attempts: size, evicted });
  }

  #answer({ id, name, params }: QueryMessage): void {
    try {
      const answer = this.#queries.ask(name as "tasks", params);
      this.#pipe.send(TelemetryFrame.answer, { id }, [encoder.encode(JSON.stringify(answer))]);
    } catch (error) {
      const isRange = error instanceof RangeError;
      this.#pipe.send(TelemetryFrame.answer, { id, isRange, error: (error as Error).message });
    }
  }
}

// Ctrl-C reaches the whole group; the head decides when its processes end.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
new TelemetryProcess();
