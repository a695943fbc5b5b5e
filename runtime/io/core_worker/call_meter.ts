/**
 * How the calls of the actor that this worker hosts fare, told to its agent once a second while something happens. What is
 * counted per call is counted by the replies; everything else is read here.
 * @module
 */
import type { ActorFigures } from "../../protocol/node_rows.ts";
import { Timer } from "./timers.ts";
import type { HostedActor } from "./work_item.ts";

const TELL_EVERY_MS = 1_000;
const REPR_NAME_LENGTH_MAX = 200;

/** What is read off the executor. */
export interface CallCounts {
  /** Not begun. */
  readonly waiting: number;
  readonly running: number;
  readonly answered: number;
  /** Of all that were answered, together. */
  readonly runUs: number;
}

/** See the module's header. */
export class CallMeter {
  readonly #actor: HostedActor;
  readonly #reprName: string | null;
  readonly #counts: () => CallCounts;
  readonly #tell: (figures: ActorFigures) => void;
  #isArmed = false;
  /** Of the last look. */
  #answered: number;
  #runUs: number;
  #lookedMs = 0;
  #meanCallMs: number | null = null;
  /** What was told last: silence means that it still holds. */
  #told = "";

  constructor(
    actor: HostedActor,
    { counts, tell }: { counts: () => CallCounts; tell: (figures: ActorFigures) => void },
  ) {
    this.#actor = actor;
    this.#reprName = reprNameOf(actor.instance);
    this.#counts = counts;
    this.#tell = tell;
    ({ answered: this.#answered, runUs: this.#runUs } = counts());
    if (this.#reprName !== null) this.#look(performance.now());
  }

  /** Calls have come. */
  came(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#lookedMs = performance.now();
    Timer.background(() => this.#due(), TELL_EVERY_MS);
  }

  #due(): void {
    // A second in which nothing changed is the last one that is looked at.
    this.#isArmed = this.#look(performance.now());
    if (this.#isArmed) Timer.background(() => this.#due(), TELL_EVERY_MS);
  }

  /** Whether there was news. */
  #look(nowMs: number): boolean {
    const { waiting, running, answered, runUs } = this.#counts();
    const calls = answered - this.#answered;
    if (calls > 0) this.#meanCallMs = (runUs - this.#runUs) / calls / 1_000;
    const seconds = (nowMs - this.#lookedMs) / 1_000;
    const figures: ActorFigures = {
      actorId: this.#actor.actorId,
      incarnation: this.#actor.incarnation,
      mailboxDepth: waiting,
      callsRunning: running,
      callsFinished: answered,
      callsPerSecond: calls === 0 ? 0 : calls / seconds,
      meanCallMs: this.#meanCallMs,
      reprName: this.#reprName,
    };
    this.#answered = answered;
    this.#runUs = runUs;
    this.#lookedMs = nowMs;
    const text = JSON.stringify(figures);
    if (text === this.#told) return false;
    this.#told = text;
    this.#tell(figures);
    return true;
  }
}

/** What a class with a toString() of its own says of an instance. */
function reprNameOf(instance: object): string | null {
  try {
    if (instance.toString === Object.prototype.toString) return null;
    return String(instance).slice(0, REPR_NAME_LENGTH_MAX);
  } catch {
    return null; // User code.
  }
}
