/**
 * The live stream: one HTTP response of NDJSON frames per browser, made when the reader asks for more. A reader that stalls
 * has nothing queued for it: when it reads again it gets the difference to what it had, or a snapshot. Frames leave at
 * most four times a second, with the latest of each topic that changed; a heartbeat says that the head is alive.
 * @module
 */
import type { ClusterReader, HelloDto, StreamFrame, Topic, TopicData } from "../api_types.ts";

/** Shortest time between two chunks of one stream. */
export const FRAME_INTERVAL_MS: number = 250;
/** Longest time without a frame. */
export const HEARTBEAT_MS: number = 5_000;

/** Encoded data by the answer that it came from: readers that are equally far share the work. */
const encoded = new WeakMap<object, string>();

export interface StreamOptions {
  readonly view: ClusterReader;
  readonly topics: readonly Topic[];
  readonly hello: () => HelloDto;
  /** The stream is over: the reader went away, or the server ends it. */
  readonly onEnd: () => void;
}

/** The stream's body, and how to end it. */
export function openStream(options: StreamOptions): { body: ReadableStream<Uint8Array>; end: () => void } {
  const encoder = new TextEncoder();
  const reader = new TopicReader(options.view, options.topics);
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
      await sleep(Math.max(0, FRAME_INTERVAL_MS - (startMs - sentMs)));
      while (!ended) {
        const text = reader.changes() || (Date.now() - startMs >= HEARTBEAT_MS ? reader.heartbeat() : "");
        if (text !== "") {
          theController.enqueue(encoder.encode(text));
          sentMs = Date.now();
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

/** How far one reader is, topic by topic. */
class TopicReader {
  readonly #view: ClusterReader;
  readonly #topics: readonly Topic[];
  readonly #sent = new Map<Topic, number>();
  #seq = 0;

  constructor(view: ClusterReader, topics: readonly Topic[]) {
    this.#view = view;
    this.#topics = topics;
  }

  hello(data: HelloDto): string {
    return line({ seq: this.#seq++, topic: "hello", kind: "snapshot", data });
  }

  heartbeat(): string {
    return line({ seq: this.#seq++, topic: "heartbeat", kind: "snapshot", data: { nowMs: Date.now() } });
  }

  /** Frames of the topics that changed since they were last sent. */
  changes(): string {
    let text = "";
    for (const topic of this.#topics) {
      const since = this.#sent.get(topic) ?? null;
      if (since === this.#view.version(topic)) continue;
      const { version, kind, data } = this.#view.read(topic, since);
      if (version === since) continue;
      this.#sent.set(topic, version);
      text += `{"seq":${this.#seq++},"topic":"${topic}","kind":"${kind}","data":${encode(data)}}\n`;
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
