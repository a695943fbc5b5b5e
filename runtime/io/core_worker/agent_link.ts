/**
 * The link of a driver or worker to its node's agent. It keeps one order: reference changes that were made before a
 * message leave before it, so that the agent never sees an object used before it knows who holds it.
 * @module
 */
import type { AgentMethods, CoreMethods, RefChange } from "../../protocol/messages.ts";
import { MobulaError } from "../../common/errors.ts";
import { ConnectionClosedError } from "../transport/transport_error.ts";
import type { ParamsOf, ResultOf, Rpc, RpcAnswer } from "../transport/rpc.ts";

export type AgentRpc = Rpc<CoreMethods, AgentMethods>;

const AGENT_LOST =
  "The connection to the agent of this node is lost, and what this process had under way with it: " +
  "await shutdown(), then init() again (the agent's log is in the session folder)";

/** See the module's header. */
export class AgentLink {
  readonly #lostMessage: string;
  #rpc: AgentRpc | null = null;
  /** Messages that were sent before the link is open, in order; told when it fails instead. */
  #waiting: { send: (rpc: AgentRpc) => void; failed?: (error: Error) => void }[] = [];
  #failed: Error | null = null;
  #changes: RefChange[] = [];
  #changed = 0;
  #owned = 0;
  #borrowed = 0;
  #scheduled = false;
  /** Holds made, and how many of them their homes have confirmed. */
  #holds = 0;
  #confirmedHolds = 0;

  /** `lostMessage`: what users are told when the link breaks. */
  constructor(lostMessage: string = AGENT_LOST) {
    this.#lostMessage = lostMessage;
  }

  /** The link is open; what waited leaves first. */
  open(rpc: AgentRpc): void {
    this.#rpc = rpc;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { send } of waiting) send(rpc);
  }

  /** It will never open, or is over: everything that waits, and every later request, fails with `error`. */
  fail(error: Error): void {
    if (this.#failed !== null) return;
    this.#failed = error;
    for (const { failed } of this.#waiting.splice(0)) failed?.(error);
  }

  get rpc(): AgentRpc | null {
    return this.#rpc;
  }

  /** Whether holds were sent whose homes have not confirmed them: a task must not be reported done before. */
  get hasUnconfirmedHolds(): boolean {
    return this.#confirmedHolds < this.#holds;
  }

  /** How many changes of references there were. */
  get referencesChanged(): number {
    return this.#changed;
  }

  /** Objects and actors that this process owns and that are counted: it would leave them without an owner. */
  get owned(): number {
    return this.#owned;
  }

  /** Those of others that it holds. */
  get borrowed(): number {
    return this.#borrowed;
  }

  /** The agent has answered that this process holds the contents of an object, until dropContents. */
  contentsKept(): void {
    this.#changed++;
    this.#holds++;
    this.#borrowed++;
  }

  reference(change: RefChange): void {
    this.#changes.push(change);
    this.#changed++;
    if (change.op === "hold") {
      this.#holds++;
      this.#borrowed++;
    } else if (change.op === "drop" || change.op === "dropContents") this.#borrowed--;
    else if (change.op === "own") this.#owned++;
    else if (change.op === "disown") this.#owned--;
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#flush());
  }

  request<M extends keyof AgentMethods & string>(
    method: M,
    params: ParamsOf<AgentMethods[M]>,
    sections?: readonly Uint8Array[],
  ): Promise<RpcAnswer<ResultOf<AgentMethods[M]>>> {
    this.#flush();
    if (this.#failed !== null) return Promise.reject(this.#failed);
    if (this.#rpc !== null) {
      return this.#rpc.request(method, params, sections).catch((error) => this.#explain(error));
    }
    return new Promise((resolve, reject) => {
      const send = (rpc: AgentRpc): void => {
        rpc.request(method, params, sections).catch((error) => this.#explain(error)).then(resolve, reject);
      };
      this.#waiting.push({ send, failed: reject });
    });
  }

  /** The agent is gone, and with it this process's part in the cluster. */
  lost(cause: Error | null): MobulaError {
    return new MobulaError(this.#lostMessage, { code: "AgentLost", cause });
  }

  /** A closed connection is the transport's word; users know agents. */
  #explain(error: unknown): never {
    if (!(error instanceof ConnectionClosedError)) throw error;
    throw this.#failed ?? this.lost(error);
  }

  notify<M extends keyof AgentMethods & string>(
    method: M,
    params: ParamsOf<AgentMethods[M]>,
    sections?: readonly Uint8Array[],
  ): void {
    this.#flush();
    this.#tell(method, params, sections);
  }

  /** Resolves when every hold that was made before is counted at its home. */
  async confirmHolds(): Promise<void> {
    const holds = this.#holds;
    await this.request("flushReferences", {});
    this.#confirmedHolds = Math.max(this.#confirmedHolds, holds);
  }

  /** Write what waits now, not at the end of the tick. */
  flush(): void {
    this.#flush();
    this.#rpc?.connection.flush();
  }

  close(): void {
    this.#flush();
    this.#rpc?.close();
  }

  #tell<M extends keyof AgentMethods & string>(
    method: M,
    params: ParamsOf<AgentMethods[M]>,
    sections?: readonly Uint8Array[],
  ): void {
    if (this.#rpc !== null) this.#rpc.notify(method, params, sections);
    else if (this.#failed === null) {
      this.#waiting.push({ send: (rpc) => rpc.notify(method, params, sections) });
    }
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#changes.length === 0) return;
    const changes = this.#changes;
    this.#changes = [];
    this.#tell("references", { changes });
  }
}
