/**
 * A driver's progress on its stderr. On a terminal: bars in the last lines, while something takes longer than a moment. The lines
 * above them scroll on their own (a scroll region, as apt's), so that whatever prints, on stdout too, loses nothing to the
 * bars. Elsewhere: with MOBULA_PROGRESS=1 a line now and then. MOBULA_PROGRESS=0: nothing.
 * @module
 */
import { barLine, Progress, type ProgressCounts, type ProgressGroup } from "../core/logs/progress.ts";
import { progressSetting } from "../io/environment.ts";

const EVERY_MS = 250;
/** Without so many rows there are no bars. */
const ROWS_MIN = 10;

export interface ProgressOptions {
  /** All functions that this process has called. */
  readonly counts: () => readonly ProgressCounts[];
  readonly isTerminal: boolean;
  readonly say: (line: string) => void;
}

/** See the module's header. */
export class ProgressBars {
  readonly #options: ProgressOptions;
  readonly #progress = new Progress();
  readonly #timer: ReturnType<typeof setInterval> | null = null;
  /** Rows that the bars have now, and the terminal's rows then. */
  #lines = 0;
  #rows = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
    const setting = progressSetting();
    if (setting === "never" || (setting === "terminal" && !options.isTerminal)) return;
    this.#timer = setInterval(() => this.#tick(), EVERY_MS);
    (this.#timer as { unref?: () => void }).unref?.();
    // A program that ends without a word leaves the terminal as it was.
    if (options.isTerminal) process.on("exit", this.#onExit);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    process.off("exit", this.#onExit);
    this.#clear();
  }

  readonly #onExit = (): void => this.#clear();

  #tick(): void {
    const nowMs = Date.now();
    const groups = this.#progress.groups(nowMs, this.#options.counts());
    if (this.#options.isTerminal) return this.#draw(groups);
    const line = this.#progress.line(nowMs, groups);
    if (line !== null) this.#options.say(line);
  }

  #draw(groups: readonly ProgressGroup[]): void {
    const { rows = 0, columns = 80 } = process.stderr as { rows?: number; columns?: number };
    const count = rows < ROWS_MIN ? 0 : groups.length;
    if (count !== this.#lines || (count > 0 && rows !== this.#rows)) this.#reserve(count, rows);
    if (count === 0) return;
    const first = rows - count + 1;
    const bars = groups.map((group, i) => `\x1b[${first + i};1H\x1b[2K${barLine(group, columns)}`);
    // The cursor is where the program's output goes on: it comes back there.
    process.stderr.write(`\x1b7${bars.join("")}\x1b8`);
  }

  /** Keep the last rows for the bars: what scrolls is above them. */
  #reserve(count: number, rows: number): void {
    this.#clear();
    if (count === 0) return;
    const room = `${"\n".repeat(count)}\x1b[${count}A`;
    process.stderr.write(`${room}\x1b7\x1b[1;${rows - count}r\x1b8`);
    this.#lines = count;
    this.#rows = rows;
  }

  #clear(): void {
    if (this.#lines === 0) return;
    const first = this.#rows - this.#lines + 1;
    process.stderr.write(`\x1b7\x1b[r\x1b[${first};1H\x1b[J\x1b8`);
    this.#lines = 0;
  }
}
