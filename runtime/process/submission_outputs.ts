/**
 * What submitted programs print: a file for each of the two streams, which the program writes itself, so that nothing of it
 * waits for anybody. Readers say where they are, in bytes since the program began. Files are bounded in size and number.
 * @module
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { MobulaError } from "../common/errors.ts";
import type { OutputPiece, OutputPlace } from "../protocol/submission_messages.ts";

/** Of one stream in one answer. */
const PIECE_BYTES_MAX = 512 * 1024;
/** A stream's file that has grown beyond this starts anew; readers are told how much they missed. */
const FILE_BYTES_MAX = 1024 * 1024 * 1024;
const SIZE_CHECK_MS = 5_000;
/** How late a reader that waits may hear of new output. */
const LOOK_MS = 40;
const WAIT_MS_MAX = 30_000;
/** Ended programs' files that are kept, newest first; and all of them together in bytes. */
const ENDED_MAX = 500;
const ENDED_BYTES_MAX = 2 * 1024 * 1024 * 1024;
/** How much of a program's last output goes into the message of its failure. */
const WORDS_BYTES = 2_000;

type StreamName = "out" | "err";

export class SubmissionOutputs {
  readonly #dir: string;
  readonly #isLive: (submissionId: string) => boolean;
  /** Bytes that were cut off before the file's beginning. */
  readonly #cut: Map<string, number> = new Map();
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #live: Set<string> = new Set();
  #closed: boolean = false;

  constructor(dir: string, isLive: (submissionId: string) => boolean) {
    this.#dir = dir;
    this.#isLive = isLive;
  }

  /** New files for a program: descriptors that append, for stdout and stderr. */
  open(submissionId: string): [out: number, err: number] {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    this.#live.add(submissionId);
    this.#timer ??= setInterval(() => this.#checkSizes(), SIZE_CHECK_MS);
    this.#timer.unref?.();
    // An earlier program of this id is forgotten, or its start was lost half-way.
    for (const name of STREAMS) rmSync(this.#path(submissionId, name), { force: true });
    return [
      openSync(this.#path(submissionId, "out"), "a", 0o600),
      openSync(this.#path(submissionId, "err"), "a", 0o600),
    ];
  }

  /** What comes after `place`; waits for it while the program runs, at most `waitMs`. MobulaError OutputGone. */
  async read(
    submissionId: string,
    place: OutputPlace,
    waitMs: number,
  ): Promise<{ piece: OutputPiece; sections: Uint8Array[] }> {
    const deadlineMs = performance.now() + Math.min(WAIT_MS_MAX, waitMs);
    for (;;) {
      // Before the files: what is written after this look is another piece's.
      const isLive = this.#isLive(submissionId);
      const out = this.#readStream(submissionId, "out", place.out);
      const err = this.#readStream(submissionId, "err", place.err);
      if (out === null && err === null && !isLive) {
        throw new MobulaError(`what ${submissionId} printed is not here any more`, { code: "OutputGone" });
      }
      const sections = [out?.bytes ?? NOTHING, err?.bytes ?? NOTHING];
      const hasMore = sections.some(({ length }) => length > 0);
      const piece: OutputPiece = {
        out: out?.next ?? place.out,
        err: err?.next ?? place.err,
        isOver: !isLive && !hasMore,
        dropped: (out?.dropped ?? 0) + (err?.dropped ?? 0),
      };
      const isOver = piece.isOver || this.#closed || performance.now() >= deadlineMs;
      if (hasMore || piece.dropped > 0 || isOver) return { piece, sections };
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** The end of what it printed: of stderr, else of stdout. */
  lastWords(submissionId: string): string {
    for (const name of ["err", "out"] as const) {
      const path = this.#path(submissionId, name);
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      const place = Math.max(0, size - WORDS_BYTES) + (this.#cut.get(path) ?? 0);
      const bytes = this.#readStream(submissionId, name, place)?.bytes ?? NOTHING;
      const words = new TextDecoder().decode(bytes).trim();
      if (words !== "") return words;
    }
    return "";
  }

  /** Removes the oldest ended programs' files beyond the limits. */
  prune(): void {
    const files: { path: string; id: string; bytes: number; changedMs: number }[] = [];
    for (const file of readdirSync(this.#dir)) {
      const id = /^driver-(.+)\.(?:out|err)$/.exec(file)?.[1];
      if (id === undefined || this.#isLive(id)) continue;
      const path = join(this.#dir, file);
      const found = statSync(path, { throwIfNoEntry: false });
      if (found !== undefined) files.push({ path, id, bytes: found.size, changedMs: found.mtimeMs });
      this.#live.delete(id);
    }
    files.sort((a, b) => b.changedMs - a.changedMs);
    let bytes = 0;
    for (const [index, file] of files.entries()) {
      bytes += file.bytes;
      if (index >= 2 * ENDED_MAX || bytes > ENDED_BYTES_MAX) rmSync(file.path, { force: true });
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #path(submissionId: string, name: StreamName): string {
    // It becomes part of a path.
    if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(submissionId)) {
      throw new RangeError(`${JSON.stringify(submissionId)} is no job's id`);
    }
    return join(this.#dir, `driver-${submissionId}.${name}`);
  }

  /** Null: there is no such file. */
  #readStream(
    submissionId: string,
    name: StreamName,
    place: number,
  ): { bytes: Uint8Array; next: number; dropped: number } | null {
    const path = this.#path(submissionId, name);
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch {
      return null;
    }
    try {
      const cut = this.#cut.get(path) ?? 0;
      const from = Math.max(place, cut);
      const length = Math.min(PIECE_BYTES_MAX, Math.max(0, fstatSync(fd).size - (from - cut)));
      const buffer = new Uint8Array(length);
      const got = length === 0 ? 0 : readSync(fd, buffer, 0, length, from - cut);
      return { bytes: buffer.subarray(0, got), next: from + got, dropped: from - place };
    } finally {
      closeSync(fd);
    }
  }

  #checkSizes(): void {
    for (const id of this.#live) {
      for (const name of STREAMS) {
        const path = this.#path(id, name);
        const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
        if (size < FILE_BYTES_MAX) continue;
        // The program appends, so that what it writes next is at the new end.
        truncateSync(path, 0);
        this.#cut.set(path, (this.#cut.get(path) ?? 0) + size);
      }
    }
  }
}

const STREAMS: readonly StreamName[] = ["out", "err"];
const NOTHING: Uint8Array = new Uint8Array(0);
