/**
 * What actors' calls need to be run again, when their results were lost: their constructor arguments, kept alive as long as a
 * call may be; and the actor itself. One that has gone out of scope is brought back by the GCS (core/actor/actor_revivals.ts)
 * for as long as this process has calls for it.
 * @module
 */
import { ObjectReconstructionFailedError } from "../../common/errors.ts";
import type { ActorId } from "../../common/ids.ts";
import type { RebuildHeadMethods } from "../../protocol/rebuild_messages.ts";
import type { ActorClient } from "./actor_client.ts";
import type { CallArguments } from "./arguments.ts";
import type { CoreContext } from "./core_context.ts";
import type { HandleInfo } from "./handle_info.ts";
import { Timer } from "./timers.ts";

/** An actor that is just going out of scope is asked for again after this. */
const ENDING_MS = 100;

/** What it needs of the process's actors. */
export interface ActorSource {
  /** One that takes calls; undefined where there is none. */
  liveClient(actorId: ActorId): ActorClient | undefined;
  /** Another one, busy until its `isCreating` is taken back. */
  clientAgain(info: HandleInfo): ActorClient;
  busyChanged(client: ActorClient): void;
  /** The constructor's, of an actor that this process made. */
  creationArgsOf(actorId: ActorId): CallArguments | null;
}

/** An actor of which calls are kept. */
interface Kept {
  /** Numbers of the calls. */
  readonly calls: Set<number>;
  readonly args: CallArguments | null;
}

/** See the module's header. */
export class ActorRebuilds {
  readonly #core: CoreContext;
  readonly #source: ActorSource;
  readonly #kept: Map<ActorId, Kept> = new Map();
  readonly #revived: Set<ActorClient> = new Set();

  constructor(core: CoreContext, source: ActorSource) {
    this.#core = core;
    this.#source = source;
  }

  /** One of its calls is kept from now on. */
  keep(actorId: ActorId, call: number): void {
    let kept = this.#kept.get(actorId);
    if (kept === undefined) {
      kept = { calls: new Set(), args: this.#source.creationArgsOf(actorId) };
      this.#kept.set(actorId, kept);
      this.#tell(actorId, "kept");
    }
    kept.calls.add(call);
  }

  /** The call is not kept any more. */
  forget(actorId: ActorId, call: number): void {
    const kept = this.#kept.get(actorId);
    if (kept === undefined || !kept.calls.delete(call) || kept.calls.size > 0) return;
    this.#kept.delete(actorId);
    this.#tell(actorId, "released");
    if (this.#source.creationArgsOf(actorId) !== kept.args) kept.args?.release();
  }

  /** Its constructor arguments stay although nobody here uses it. */
  isKept(actorId: ActorId): boolean {
    return this.#kept.has(actorId);
  }

  /** Kept calls of an actor that must be brought back for any of them; null where it need not be. */
  revivedWith(actorId: ActorId): readonly number[] | null {
    if (this.#source.liveClient(actorId) !== undefined) return null;
    return [...this.#kept.get(actorId)?.calls ?? []].sort((a, b) => a - b);
  }

  /** What takes calls to be run again. */
  clientOf(info: HandleInfo): ActorClient {
    const live = this.#source.liveClient(info.actorId);
    if (live !== undefined) return live;
    const client = this.#source.clientAgain(info);
    this.#revived.add(client);
    void this.#revive(client);
    return client;
  }

  /** A client has neither calls nor handles any more. */
  ended(client: ActorClient): void {
    if (this.#revived.delete(client)) this.#tell(client.info.actorId, "rebuilt");
  }

  async #revive(client: ActorClient): Promise<void> {
    const { actorId, className } = client.info;
    const core = this.#core;
    const params = { actorId, process: core.identity.self };
    try {
      for (;;) {
        const { result } = await core.link.request("head", { method: "reviveActor", params });
        const { incarnation, ending } = result as RebuildHeadMethods["reviveActor"]["result"];
        client.since = incarnation;
        if (!ending) break;
        await new Promise<void>((resolve) => Timer.once(resolve, ENDING_MS));
      }
      core.link.notify("watchActor", { actorId });
    } catch (error) {
      const why = `a call of ${className} cannot be run again: ${(error as Error).message}`;
      client.creationFailed(new ObjectReconstructionFailedError(why, { actorId }));
    } finally {
      client.isCreating = false;
      this.#source.busyChanged(client);
    }
  }

  #tell(actorId: ActorId, word: RebuildHeadMethods["actorLineage"]["params"]["word"]): void {
    const params = { actorId, process: this.#core.identity.self, word };
    // With the agent or the head gone, so is what it would be for.
    this.#core.link.request("head", { method: "actorLineage", params }).catch(() => undefined);
  }
}
