/**
 * The live stream: one HTTP response of NDJSON frames per browser, made when the reader asks for more. A reader that stalls
 * has nothing queued for it: when it reads again it gets the difference to what it had, or a snapshot. Frames leave at
 * most four times a second, with the latest of each topic and of each watched query that changed, and not more than a
 * reader's budget in the long run; a heartbeat says that the head is alive.
 * @module
 */
import type { ClusterReader, HelloDto, StreamFrame, Topic, TopicData } from "../api_types.ts";
import type { LiveQueries } from "./live_queries.ts";

/** Shortest time between two chunks of one stream. */
export const FRAME_INTERVAL_MS: number = 250;
/** Longest time without a frame. */
export const HEARTBEAT_MS: number = 5_000;

/** What one reader may get in the long run, and at once: a page begins with snapshots. */
const BUDGET_BYTES_PER_MS = 64;
const BURST_BYTES = 512 * 1024;
/** Answers that are put into one chunk: what is left follows when there is room. */
const CHUNK_LENGTH_MAX = 128 * 1024;

/** Encoded data by the answer that it came from: readers that are equally far share the work. */
const encoded = new WeakMap<object, string>();

export interface StreamOptions {
  readonly view: ClusterReader;
  readonly topics: readonly Topic[];
  /** Watched queries: `name?params`. */
  readonly questions?: readonly string[];
  readonly live?: LiveQueries | undefined;
  /** Topics go with new answers, and without one not more often than this: for a page that is drawn anew for either. 0. */
  readonly topicsEveryMs?: number | undefined;
  readonly hello: () => HelloDto;
  /** The stream is over: the reader went away, or the server ends it. */
  readonly onEnd: () => void;
}

/** The stream's body, and how to end it. */
export function openStream(options: StreamOptions): { body: ReadableStream<Uint8Array>; end: () => void } {
  const encoder = new TextEncoder();
  const reader = new StreamReader(options);
  const budget = new Budget();
  let sentMs = -Infinity;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let wake: (() => void) | null = null;
  let ended = false;
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;

  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, ms);
    });
  const finish = (): void => {
    if (ended) return;
    ended = true;
    if (timer !== null) clearTimeout(timer);
    wake?.();
    options.onEnd();
  };

  const body = new ReadableStream<Uint8Array>({
    start(theController) {
      controller = theController;
      controller.enqueue(encoder.encode(reader.hello(options.hello())));
    },
    async pull(theController) {
      const startMs = Date.now();
      await sleep(Math.max(0, FRAME_INTERVAL_MS - (startMs - sentMs), budget.waitMs(startMs)));
      while (!ended) {
        const text = reader.changes() || (Date.now() - startMs >= HEARTBEAT_MS ? reader.heartbeat() : "");
        if (text !== "") {
          const bytes = encoder.encode(text);
          theController.enqueue(bytes);
          sentMs = Date.now();
          budget.spend(bytes.length, sentMs);
          return;
        }
        await sleep(FRAME_INTERVAL_MS);
      }
    },
    cancel: finish,
  }, { highWaterMark: 0 });

  const end = (): void => {
    if (ended) return;
    finish();
    try {
      controller?.close();
    } catch {
      // Already closed or errored by its reader: over is over.
    }
  };
  return { body, end };
}

/** A reader's share of bytes: what it spends beyond the burst it waits for. */
class Budget {
  #left = BURST_BYTES;
  #atMs = Date.now();

  spend(bytes: number, nowMs: number): void {
    const earned = Math.max(0, nowMs - this.#atMs) * BUDGET_BYTES_PER_MS;
    this.#left = Math.min(BURST_BYTES, this.#left + earned) - bytes;
    this.#atMs = nowMs;
  }
  waitMs(nowMs: number): number {
    return -this.#left / BUDGET_BYTES_PER_MS - (nowMs - this.#atMs);
  }
}

/** How far one reader is, topic by topic and question by question. */
class StreamReader {
  readonly #options: StreamOptions;
  readonly #sent = new Map<string, number>();
  #topicsMs = -Infinity;
  #seq = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  hello(data: HelloDto): string {
    return line({ seq: this.#seq++, topic: "hello", kind: "snapshot", data });
  }

  heartbeat(): string {
    return line({ seq: this.#seq++, topic: "heartbeat", kind: "snapshot", data: { nowMs: Date.now() } });
  }

  /** Frames of what changed since it was last sent. */
  changes(): string {
    const answers = this.#answers();
    const nowMs = Date.now();
    if (answers === "" && nowMs - this.#topicsMs < (this.#options.topicsEveryMs ?? 0)) return "";
    const topics = this.#topics();
    if (topics !== "") this.#topicsMs = nowMs;
    return answers + topics;
  }

  #topics(): string {
    const { view, topics } = this.#options;
    let text = "";
    for (const topic of topics) {
      const since = this.#sent.get(topic) ?? null;
      if (since === view.version(topic)) continue;
      const { version, kind, data } = view.read(topic, since);
      if (version === since) continue;
      this.#sent.set(topic, version);
      text += `{"seq":${this.#seq++},"topic":"${topic}","kind":"${kind}","data":${encode(data)}}\n`;
    }
    return text;
  }

  #answers(): string {
    const { live, questions } = this.#options;
    if (live === undefined || questions === undefined) return "";
    let text = "";
    // Begins with another one each time: none is starved by those before it.
    const first = questions.length === 0 ? 0 : this.#seq % questions.length;
    for (const question of [...questions.slice(first), ...questions.slice(0, first)]) {
      const answer = live.read(question);
      const key = `live ${question}`;
      if (answer === null || answer.version === this.#sent.get(key)) continue;
      this.#sent.set(key, answer.version);
      const named = JSON.stringify(question);
      text += `{"seq":${this.#seq++},"topic":"live","kind":"snapshot","key":${named},${answer.text}}\n`;
      if (text.length > CHUNK_LENGTH_MAX) break;
    }
    return text;
  }
}

function line(frame: StreamFrame): string {
  return `${JSON.stringify(frame)}\n`;
}

function encode(data: TopicData[Topic]): string {
  let text = encoded.get(data);
  if (text === undefined) encoded.set(data, text = JSON.stringify(data));
  return text;
}
