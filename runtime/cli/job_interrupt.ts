/**
 * Ctrl-C while a job is followed: on a terminal it asks what is meant, elsewhere it stops the job. The end of the terminal
 * leaves the job running.
 * @module
 */
import { createInterface } from "node:readline";

export type Interruption = "stop" | "detach";

/** Watches for signals until `close`. `onInterrupt` is called for each decision. */
export class Interrupts {
  readonly #onInterrupt: (what: Interruption) => void;
  readonly #submissionId: string;
  #isAsking: boolean = false;
  readonly #onSigint = (): void => this.#interrupted();
  readonly #onSigterm = (): void => this.#onInterrupt("stop");
  readonly #onSighup = (): void => this.#onInterrupt("detach");

  constructor(submissionId: string, onInterrupt: (what: Interruption) => void) {
    this.#submissionId = submissionId;
    this.#onInterrupt = onInterrupt;
    process.on("SIGINT", this.#onSigint);
    process.on("SIGTERM", this.#onSigterm);
    process.on("SIGHUP", this.#onSighup);
  }

  close(): void {
    process.off("SIGINT", this.#onSigint);
    process.off("SIGTERM", this.#onSigterm);
    process.off("SIGHUP", this.#onSighup);
  }

  #interrupted(): void {
    // Pressed again instead of an answer: it is meant.
    if (process.stdin.isTTY !== true || process.stderr.isTTY !== true || this.#isAsking) {
      return this.#onInterrupt("stop");
    }
    this.#isAsking = true;
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    lines.on("SIGINT", () => {
      lines.close();
      this.#onInterrupt("stop");
    });
    const question = `\nmobula: job ${this.#submissionId} runs in the cluster. ` +
      "[s]top it, [d]etach and leave it running, or [c]ontinue? ";
    lines.question(question, (answer) => {
      lines.close();
      this.#isAsking = false;
      const choice = answer.trim().toLowerCase();
      if (choice.startsWith("s")) this.#onInterrupt("stop");
      else if (choice.startsWith("d")) this.#onInterrupt("detach");
    });
  }
}
