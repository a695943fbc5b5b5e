/**
 * One process that a supervisor keeps alive: a head or an agent.
 *
 *     stopped --1--> starting --2--> up --3--> waiting --4--> starting …
 *                        \--5--> waiting       \--6--> down
 *     any --7--> ending --8--> stopped
 *
 *  1 start    2 ready line    3 it died    4 the delay of the restart policy passed    5 it did not get ready (a restart
 *  only: the first start's failure is the caller's)    6 too many deaths in a row, or it ended because it was asked to
 *  (code 0)    7 stop    8 it is gone
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { closeSync, createWriteStream, openSync } from "node:fs";
import type { RuntimeName } from "../common/task_spec.ts";
import { boundLog } from "./log_bounds.ts";
import { rotateLog } from "./log_files.ts";
import { RESTART_WINDOW_MS, RestartPolicy, RESTARTS_MAX } from "./restart_policy.ts";
import { type StartedProcess, startProcess } from "./start_process.ts";

/** A process that is asked to end gets this long before it is killed. */
const STOP_TIMEOUT_MS = 10_000;

export interface SupervisedOptions<R extends { readonly ready: true }> {
  /** For people: "head", "agent". */
  readonly name: string;
  /** The file beside this one that it runs. */
  readonly entry: string;
  /** The config of the next start; `last` is what the process said when it was up last, null at first. */
  readonly config: (last: R | null) => { readonly runtime: RuntimeName };
  /** Its stdout and stderr, appended. */
  readonly logFile: string;
  /** One line for the supervisor's log. */
  readonly log: (line: string) => void;
  /** It is up (again). */
  readonly onReady: (ready: R) => void;
  /** It stays down: `asked` when it ended with code 0. */
  readonly onDown: (asked: boolean) => void;
}

export class SupervisedProcess<R extends { readonly ready: true }> {
  readonly #options: SupervisedOptions<R>;
  readonly #policy = new RestartPolicy();
  #child: ChildProcess | null = null;
  #last: R | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #ending = false;
  readonly #endBound: () => void;
  /** A start under way; stop waits for it, so that no process is born after the end. */
  #starting: Promise<void> | null = null;

  constructor(options: SupervisedOptions<R>) {
    this.#options = options;
    this.#endBound = boundLog(options.logFile);
  }

  /** Start it for the first time. Rejects when it does not get ready; nothing runs then. */
  async start(): Promise<R> {
    await this.#start();
    return this.#last!;
  }

  /** End it: by request, then by force. Resolves when it is gone. Idempotent. */
  async stop(): Promise<void> {
    this.#ending = true;
    this.#endBound();
    if (this.#timer !== null) clearTimeout(this.#timer);
    // A start that is under way may fail; then there is nothing to end.
    await this.#starting?.catch(() => undefined);
    const child = this.#child;
    if (child === null) return;
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      child.once("exit", () => {
        clearTimeout(force);
        resolve();
      });
      child.kill("SIGTERM");
      child.stdin!.end();
    });
  }

  #start(): Promise<void> {
    this.#starting = this.#startNow().finally(() => this.#starting = null);
    return this.#starting;
  }

  async #startNow(): Promise<void> {
    const { entry, config, logFile, onReady } = this.#options;
    rotateLog(logFile);
    const stderr = openSync(logFile, "a", 0o600);
    const output = createWriteStream(logFile, { flags: "a", mode: 0o600 });
    let started: StartedProcess<R>;
    try {
      started = await startProcess<R>(entry, config(this.#last), { stderr, output });
    } catch (error) {
      throw new Error(`${(error as Error).message} (its log is ${logFile})`, { cause: error });
    } finally {
      closeSync(stderr); // The child has its own.
    }
    this.#child = started.process;
    this.#last = started.ready;
    started.process.once("exit", (code, signal) => this.#exited(code, signal));
    onReady(started.ready);
  }

  #exited(code: number | null, signal: string | null): void {
    this.#child = null;
    if (this.#ending) return;
    const { name, log, onDown } = this.#options;
    if (code === 0) {
      log(`${name} ended because it was asked to`);
      onDown(true);
      return;
    }
    log(`${name} died (${signal ?? `exit code ${code}`})`);
    this.#startAgain();
  }

  #startAgain(): void {
    const { name, log, logFile, onDown } = this.#options;
    const delayMs = this.#policy.died(performance.now());
    if (delayMs === null) {
      log(
        `${name} stays down: it died more than ${RESTARTS_MAX} times in ${
          RESTART_WINDOW_MS / 1000
        } s. Its log is ${logFile}; ` +
          "end this with `mobula stop`, and start again when the reason is gone",
      );
      onDown(false);
      return;
    }
    this.#timer = setTimeout(() => {
      log(`starting ${name} again`);
      this.#start().catch((error: unknown) => {
        if (this.#ending) return;
        log(`${name}: ${(error as Error).message}`);
        this.#startAgain();
      });
    }, delayMs);
  }
}
