/**
 * Hello first, as the one who is asked sees it (hello.ts: who asks). The opener's first frame is Hello; the answer is Welcome, or a refusal and the end of the connection.
 * Until then a connection may send one small frame and nothing else; a server keeps nothing for it but a timer.
 *
 *   server:  waiting --hello--> checking --accepted--> welcomed
 *               \                  \-----refused--> refusal written, closed
 *                \--anything else, 5 s--> closed
 *
 * Failures: the first 10 of a second are answered at once; further ones late, a few at a time, the rest not at all.
 * Good hellos are never delayed, so that nobody who merely reaches the port can keep a node out.
 * @module
 */
import { PROTOCOL_VERSION } from "../../common/config.ts";
import { AuthenticationError } from "../../common/errors.ts";
import { sha256Hex } from "../../common/sha256.ts";
import { FRAME_LIMITS, FrameType } from "../../protocol/frames.ts";
import type { Hello, Welcome } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { Connection } from "./connection.ts";
import { parseObject } from "./hello.ts";
import { toError } from "./transport_error.ts";
import { errorToWire } from "./wire_error.ts";

/** Who does not say hello within this long is cut off. */
export const HELLO_TIMEOUT_MS: number = 5_000;
/** Failed hellos of one second that are answered at once. */
const FAILURES_PER_SECOND = 10;
/** Failed hellos whose late refusal is being held back; above that, connections just close. */
const LATE_REFUSALS_MAX = 32;
const LATE_REFUSAL_MS = 1_000;

const ROLES: ReadonlySet<unknown> = new Set(["driver", "worker", "agent", "head", "cli"]);
const PURPOSES: ReadonlySet<unknown> = new Set(["control", "heartbeat", "push"]);

export interface GateOptions {
  /** The cluster's token. */
  readonly token: string;
  /** Hellos of another cluster are refused; those that name none are not. */
  readonly clusterId: string;
  /** The last word, after version, token and cluster are found good. An Error refuses (fenced epoch, unknown role). */
  readonly accept: (hello: Hello, connection: Connection) => Welcome | Error | Promise<Welcome | Error>;
  /** What this opener must say instead of the cluster's token; null for most. */
  readonly secretOf?: (hello: Hello) => string | null;
  readonly helloTimeoutMs?: number;
  /** For the throttle; default performance.now. */
  readonly nowMs?: () => number;
}

/** The entrance of one listener: checks hellos and throttles failures. */
export class Gate {
  readonly #options: GateOptions;
  readonly #tokenHash: string;
  readonly #nowMs: () => number;
  #windowStartMs = 0;
  #failuresInWindow = 0;
  #lateRefusals = 0;
  /** Failed hellos since the start, for status and tests. */
  failures = 0;

  constructor(options: GateOptions) {
    if (options.token === "") throw new TypeError("token is empty");
    this.#options = options;
    this.#tokenHash = hashToken(options.token);
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Whether this is the cluster's token; takes the same time for every wrong one. */
  checkToken(token: string): boolean {
    return sameHash(this.#tokenHash, hashToken(token));
  }

  /** Credentials of a request that has them in headers (object transfers). `throttled`: wrong, and not to be answered. */
  checkRequest(token: string, clusterId: string): "good" | "wrong" | "throttled" {
    if (this.checkToken(token) && clusterId === this.#options.clusterId) return "good";
    return this.#countFailure() ? "wrong" : "throttled";
  }

  /**
   * Expect a hello on a new connection (made with HANDSHAKE_LIMITS). `onWelcomed` is called once it is accepted, with
   * the welcome already queued; it sets onFrame and onClose. A connection that is refused just ends.
   */
  admit(connection: Connection, onWelcomed: (connection: Connection, hello: Hello) => void): void {
    const timer = setTimeout(
      () => connection.destroy(new ProtocolError("no hello in time")),
      this.#options.helloTimeoutMs ?? HELLO_TIMEOUT_MS,
    );
    connection.closed.then(() => clearTimeout(timer));
    let answered = false;
    connection.onFrame = (type, _flags, header) => {
      if (answered) throw new ProtocolError("a frame before the welcome");
      answered = true;
      this.#check(connection, type, header).then(
        (hello) => {
          clearTimeout(timer);
          this.#welcome(connection, hello, onWelcomed);
        },
        (error: unknown) => this.#refuse(connection, toError(error)),
      );
    };
  }

  async #check(connection: Connection, type: number, header: Uint8Array): Promise<[Hello, Welcome]> {
    if (type !== FrameType.hello) throw new ProtocolError(`first frame has type ${type}, not hello`);
    const hello = decodeHello(header);
    const secret = this.#options.secretOf?.(hello) ?? null;
    const known = secret === null
      ? this.checkToken(hello.token)
      : sameHash(hashToken(secret), hashToken(hello.token));
    if (!known) {
      throw new AuthenticationError(
        "wrong token: use the token of the cluster's session folder (file `token`)",
      );
    }
    if (hello.version !== PROTOCOL_VERSION) {
      throw new ProtocolError(
        `protocol version ${hello.version}, but this cluster speaks ${PROTOCOL_VERSION}`,
      );
    }
    const { clusterId } = this.#options;
    if (hello.clusterId !== null && hello.clusterId !== clusterId) {
      throw new AuthenticationError(
        `${hello.id} belongs to cluster ${hello.clusterId}, this is cluster ${clusterId}`,
      );
    }
    const welcome = await this.#options.accept(hello, connection);
    if (welcome instanceof Error) throw welcome;
    return [hello, welcome];
  }

  #welcome(
    connection: Connection,
    [hello, welcome]: [Hello, Welcome],
    onWelcomed: (connection: Connection, hello: Hello) => void,
  ): void {
    if (!connection.isOpen) return;
    // What the peer sends after the welcome waits until the user of the connection listens.
    connection.onFrame = null;
    connection.limits = FRAME_LIMITS;
    connection.peer = hello;
    connection.send(FrameType.welcome, JSON.stringify(welcome));
    try {
      onWelcomed(connection, hello);
    } catch (error) {
      connection.destroy(toError(error));
    }
  }

  /** True while failures are few enough to be answered at once. */
  #countFailure(): boolean {
    this.failures += 1;
    const nowMs = this.#nowMs();
    if (nowMs - this.#windowStartMs >= 1_000) {
      this.#windowStartMs = nowMs;
      this.#failuresInWindow = 0;
    }
    this.#failuresInWindow += 1;
    return this.#failuresInWindow <= FAILURES_PER_SECOND;
  }

  #refuse(connection: Connection, error: Error): void {
    if (this.#countFailure()) return refuseNow(connection, error);
    if (this.#lateRefusals >= LATE_REFUSALS_MAX) return connection.destroy(error);
    this.#lateRefusals += 1;
    const timer = setTimeout(() => {
      this.#lateRefusals -= 1;
      refuseNow(connection, error);
    }, LATE_REFUSAL_MS);
    timer.unref?.();
  }
}

function refuseNow(connection: Connection, error: Error): void {
  connection.send(FrameType.refused, JSON.stringify({ error: errorToWire(error) }));
  connection.close();
}

function decodeHello(header: Uint8Array): Hello {
  const hello = parseObject(header, "hello");
  const isGood = typeof hello["version"] === "number" && typeof hello["token"] === "string" &&
    typeof hello["id"] === "string" && hello["id"].length <= 256 && ROLES.has(hello["role"]) &&
    (hello["clusterId"] === null || typeof hello["clusterId"] === "string") &&
    Number.isSafeInteger(hello["epoch"]) && Number.isSafeInteger(hello["pid"]) &&
    PURPOSES.has(hello["purpose"]) && isOptionalText(hello["jobId"]) && isOptionalText(hello["nodeId"]);
  if (!isGood) throw new ProtocolError("hello with missing or wrong fields");
  return hello as unknown as Hello;
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

/** `node:crypto` would be most of what a worker loads at its start. */
function hashToken(token: string): string {
  return sha256Hex(token);
}

/** Takes the same time wherever they differ. */
function sameHash(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
