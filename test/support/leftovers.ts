/**
 * What an end-to-end test file must not leave behind: processes, session folders with their sockets, shared memory.
 *
 *     const leftovers = watchLeftovers();      // at the top, before anything starts
 *     afterAll(async () => { await shutdown(); await leftovers.check(); });
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Every process that a test file starts inherits it. */
const VARIABLE = "MOBULA_TEST_FILE";

/** How long what was started may take to be gone once nobody needs it. */
const GONE_WITHIN_MS = 2_000;
const LOOK_EVERY_MS = 20;

/** See the module's header. */
export class Leftovers {
  /** Where temporary folders of this file's processes go. */
  readonly folder: string;
  readonly #mark: string;
  readonly #poolsBefore: ReadonlySet<string>;
  readonly #tmpdirBefore = process.env.TMPDIR;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "me2e-"));
    this.#mark = `${VARIABLE}=${this.folder}`;
    this.#poolsBefore = deadPools();
    process.env.TMPDIR = this.folder;
    process.env[VARIABLE] = this.folder;
  }

  /** What is there now, a line each; empty when all is gone. */
  now(): string[] {
    return [
      ...this.processes().map(({ pid, command }) => `process ${pid}: ${command}`),
      ...readdirSync(this.folder).map((name) => `folder ${join(this.folder, name)}`),
      ...[...deadPools()].filter((name) => !this.#poolsBefore.has(name)).map((name) => `/dev/shm/${name}`),
    ];
  }

  /** Live processes that this file's tests started, directly or not. */
  processes(): { pid: number; command: string }[] {
    const found: { pid: number; command: string }[] = [];
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
      try {
        if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(this.#mark)) continue;
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        if (command !== "") found.push({ pid: Number(name), command }); // Without one it is a zombie.
      } catch {
        // It ended while it was looked at, or belongs to somebody else.
      }
    }
    return found;
  }

  /** Resolves with the milliseconds until all is gone. Throws with what is still there after `withinMs`. */
  async gone(withinMs: number = GONE_WITHIN_MS): Promise<number> {
    const startMs = performance.now();
    for (;;) {
      const left = this.now();
      const tookMs = performance.now() - startMs;
      if (left.length === 0) return tookMs;
      if (tookMs > withinMs) throw new Error(`Left behind after ${withinMs} ms:\n  ${left.join("\n  ")}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** Throws unless everything is gone soon; what is left is removed, so that it disturbs nothing else. */
  async check(): Promise<void> {
    try {
      await this.gone();
    } finally {
      for (const { pid } of this.processes()) process.kill(pid, "SIGKILL");
      rmSync(this.folder, { recursive: true, force: true });
      if (this.#tmpdirBefore === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = this.#tmpdirBefore;
      delete process.env[VARIABLE];
    }
  }
}

/** Begin to watch. One at a time per process. */
export function watchLeftovers(): Leftovers {
  return new Leftovers();
}

/** Pools in shared memory (`mobula-<pid>-<random>`) whose agent is gone. */
function deadPools(): Set<string> {
  let names: string[];
  try {
    names = readdirSync("/dev/shm");
  } catch {
    return new Set(); // No shared memory file system here.
  }
  return new Set(names.filter((name) => {
    const owner = /^mobula-(\d+)-/.exec(name)?.[1];
    return owner !== undefined && !isAlive(Number(owner));
  }));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
