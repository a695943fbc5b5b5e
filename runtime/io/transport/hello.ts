/**
 * Saying hello, as the opener of a connection does. The other side is handshake.ts.
 * @module
 */
import { FRAME_LIMITS, type FrameLimits, FrameType } from "../../protocol/frames.ts";
import type { Hello, Welcome } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { Connection } from "./connection.ts";
import { ConnectError, toError } from "./transport_error.ts";
import { errorFromWire } from "./wire_error.ts";

/** How long connecting and the welcome may take together, by default. */
export const CONNECT_TIMEOUT_MS: number = 10_000;
/** Before the handshake: one small frame without sections. */
export const HANDSHAKE_LIMITS: FrameLimits = {
  frameBytesMax: 8 * 1024,
  headerBytesMax: 8 * 1024,
  sectionsMax: 0,
};

const decoder = new TextDecoder();

/**
 * Say hello on a fresh connection and wait for the welcome. Fails with AuthenticationError (wrong token or cluster),
 * ConnectError (no answer in time, connection lost; names the address) or what the peer's `accept` said. The
 * connection is closed then. Afterwards frames are held until onFrame is set.
 */
export function sayHello(
  connection: Connection,
  hello: Hello,
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Welcome> {
  const timeoutMs = options.timeoutMs ?? CONNECT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
      reject(error);
      connection.destroy(error);
    };
    const aborted = (): void => fail(toError(options.signal?.reason));
    const timer = setTimeout(
      () => fail(new ConnectError(`${connection.name} did not answer the hello within ${timeoutMs} ms`)),
      timeoutMs,
    );
    if (options.signal?.aborted) return aborted();
    options.signal?.addEventListener("abort", aborted, { once: true });
    connection.onClose = (cause) => {
      const options = cause === null ? {} : { cause };
      fail(new ConnectError(`${connection.name} closed the connection before its welcome`, options));
    };
    connection.onFrame = (type, _flags, header) => {
      let answer: Welcome;
      try {
        answer = decodeAnswer(type, header);
      } catch (error) {
        return fail(toError(error));
      }
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
      connection.onFrame = null;
      connection.onClose = null;
      connection.limits = FRAME_LIMITS;
      connection.peer = answer;
      resolve(answer);
    };
    connection.send(FrameType.hello, JSON.stringify(hello));
  });
}

function decodeAnswer(type: number, header: Uint8Array): Welcome {
  const answer = parseObject(header, "answer to hello");
  if (type === FrameType.refused) throw errorFromWire(answer["error"]);
  if (type !== FrameType.welcome) throw new ProtocolError(`answer to hello has type ${type}`);
  if (typeof answer["clusterId"] !== "string" || typeof answer["id"] !== "string") {
    throw new ProtocolError("welcome without cluster id or id");
  }
  return answer as unknown as Welcome;
}

/** JSON that must be an object; `what` names it in errors. */
export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new ProtocolError(`${what} is not JSON`, { cause: error });
  }
  if (typeof value !== "object" || value === null) throw new ProtocolError(`${what} is not an object`);
  return value as Record<string, unknown>;
}
