/**
 * The link of a driver or worker to its node's agent. It keeps one order: reference changes that were made before a
 * message leave before it, so that the agent never sees an object used before it knows who holds it.
 * @module
 */
import type { AgentMethods, CoreMethods, RefChange } from "../../protocol/messages.ts";
import type { ParamsOf, ResultOf, Rpc, RpcAnswer } from "../transport/rpc.ts";

export type AgentRpc = Rpc<CoreMethods, AgentMethods>;

/** See the module's header. */
export class AgentLink {
  #rpc: AgentRpc | null = null;
  /** Messages that were sent before the link is open, in order. */
  #waiting: ((rpc: AgentRpc) => void)[] = [];
  #failed: Error | null = null;
  #changes: RefChange[] = [];
  #scheduled = false;
  #unconfirmedHolds = false;

  /** The link is open; what waited leaves first. */
  open(rpc: AgentRpc): void {
    this.#rpc = rpc;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const send of waiting) send(rpc);
  }

  /** It will never open: everything that waits, and everything later, fails with `error`. */
  fail(error: Error): void {
    this.#failed = error;
    this.#waiting = [];
  }

  get rpc(): AgentRpc | null {
    return this.#rpc;
  }

  /** Whether holds were sent whose homes have not confirmed them: a task must not be reported done before. */
  get hasUnconfirmedHolds(): boolean {
    return this.#unconfirmedHolds;
  }

  reference(change: RefChange): void {
    this.#changes.push(change);
    if (change.op === "hold") this.#unconfirmedHolds = true;
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
    if (this.#rpc !== null) return this.#rpc.request(method, params, sections);
    if (this.#failed !== null) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.push((rpc) => rpc.request(method, params, sections).then(resolve, reject));
    });
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
    this.#unconfirmedHolds = false;
    await this.request("flushReferences", {});
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
    else if (this.#failed === null) this.#waiting.push((rpc) => rpc.notify(method, params, sections));
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#changes.length === 0) return;
    const changes = this.#changes;
    this.#changes = [];
    this.#tell("references", { changes });
  }
}
