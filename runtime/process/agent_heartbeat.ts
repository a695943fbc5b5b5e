/**
 * An agent's heartbeats, on a connection of their own: every one carries the node's whole resource view. They also watch
 * the head: one that holds its connections and answers nothing is connected anew.
 * @module
 */
import { HEARTBEAT_INTERVAL_MS, NODE_DEAD_AFTER_MS } from "../common/config.ts";
import type { HeadMethods, Heartbeat, Hello, NodeMethods } from "../protocol/messages.ts";
import { MachineMeter } from "../io/machine_usage.ts";
import type { TlsOptions } from "../io/transport/http2.ts";
import { connectHttp2 } from "../io/transport/http2_client.ts";
import { Rpc } from "../io/transport/rpc.ts";

/** A head that leaves a heartbeat unanswered for this long is taken for stuck. */
const ANSWER_TIMEOUT_MS = NODE_DEAD_AFTER_MS;
const CONNECT_TIMEOUT_MS = 3_000;
/** One that is wanted before its time waits for others that want it too. */
const SOON_MS = 5;

export interface HeartbeatOptions {
  /** HOST:PORT of the head. */
  readonly address: string;
  readonly hello: (purpose: Hello["purpose"]) => Hello;
  readonly tls: TlsOptions | undefined;
  /** The node's view, without the sequence number and the machine's figures. */
  readonly view: () => Omit<Heartbeat, "sequence" | "cpuPercent" | "rssBytes" | "machine">;
  /** Where objects are spilled to; null: nowhere. */
  readonly spillDir: string | null;
  /** The node is registered: heartbeats before that would be those of a stranger. */
  readonly isRegistered: () => boolean;
  readonly onStuck: (why: string) => void;
}

export class HeartbeatSender {
  readonly #options: HeartbeatOptions;
  #rpc: Rpc<NodeMethods, HeadMethods> | null = null;
  #connecting: boolean = false;
  #closed: boolean = false;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #sequence: number = 0;
  readonly #meter: MachineMeter;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#meter = new MachineMeter(options.spillDir);
    this.#timer = setInterval(() => this.beat(), HEARTBEAT_INTERVAL_MS);
  }

  /** Send one now; also makes the connection when there is none. */
  beat(): void {
    const { isRegistered, view, onStuck } = this.#options;
    if (this.#closed || !isRegistered()) return;
    const rpc = this.#rpc;
    if (rpc === null) return void this.#connect();
    const heartbeat: Heartbeat = {
      ...view(),
      ...this.#meter.read(),
      sequence: ++this.#sequence,
    };
    rpc.request("heartbeat", heartbeat, [], { timeoutMs: ANSWER_TIMEOUT_MS }).catch((error: Error) => {
      if (this.#rpc !== rpc) return;
      this.#rpc = null;
      rpc.close();
      if (!this.#closed && (error as { code?: string }).code === "RequestTimeoutError") {
        onStuck(error.message);
      }
    });
  }

  /** Send one in a moment, one for all that ask for it meanwhile. */
  beatSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.beat();
    }, SOON_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#soon);
    clearInterval(this.#timer);
    this.#rpc?.close();
    this.#rpc = null;
  }

  async #connect(): Promise<void> {
    if (this.#connecting) return;
    this.#connecting = true;
    const { address, hello, tls } = this.#options;
    try {
      const connection = await connectHttp2({
        address,
        path: "/heartbeat",
        hello: hello("heartbeat"),
        timeoutMs: CONNECT_TIMEOUT_MS,
        ...(tls === undefined ? {} : { tls }),
      });
      const rpc: Rpc<NodeMethods, HeadMethods> = new Rpc(connection);
      if (this.#closed) return rpc.close();
      this.#rpc = rpc;
      rpc.closed.then(() => {
        if (this.#rpc === rpc) this.#rpc = null;
      });
      this.beat();
    } catch {
      // The next beat tries again; the control link reports what is wrong.
    } finally {
      this.#connecting = false;
    }
  }
}
