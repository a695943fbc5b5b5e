/**
 * Creation of light actors by the thousand: those that one tick makes of one class are registered together, in a few messages
 * that each are one commit. Named ones, and those that wait for arguments, go the way of every actor (actors.ts).
 * @module
 */
import { packArguments, packSpecs } from "../../common/actor_batches.ts";
import type { Placement } from "../../common/group_options.ts";
import type { ActorSpec } from "../../common/task_spec.ts";
import type { ActorClient } from "./actor_client.ts";
import type { CallArguments } from "./arguments.ts";
import type { RemoteClass } from "./remote_function.ts";
import type { CoreContext } from "./core_context.ts";

/** Actors of one message. */
const BATCH_MAX = 1_000;
/** Messages that wait for their answers: the next ones are encoded while these are committed. */
const IN_FLIGHT_MAX = 4;

/** One that is being made. */
export interface LightCreation {
  readonly client: ActorClient;
  readonly args: CallArguments;
}

/** Where its `remote()` stands: within a placement group that captures what is made there, and in which line. */
export interface CreatedFrom {
  readonly placement: Placement;
  /** Null unless call sites are recorded. */
  readonly callSite: string | null;
}

/** What only the registry of the process's actors knows. */
export interface LightCreationParts {
  /** The process is connected: the actor is counted from now on. */
  begin(client: ActorClient): void;
  /** The specs of actors that differ in nothing but ids and arguments, once everything that they need is in the cluster. */
  specsOf(
    creations: readonly LightCreation[],
    remoteClass: RemoteClass,
    from: CreatedFrom,
  ): Promise<ActorSpec[]>;
  /** It is registered, or has failed. */
  ended(creation: LightCreation, error: Error | null): void;
}

interface Gathering {
  readonly from: CreatedFrom;
  readonly creations: LightCreation[];
  readonly done: Promise<void>;
}

/** See the module's header. */
export class LightCreations {
  readonly #core: CoreContext;
  readonly #parts: LightCreationParts;
  /** Those of this tick; before the process is connected, of all ticks. */
  readonly #gathering: Map<RemoteClass, Gathering> = new Map();

  constructor(core: CoreContext, parts: LightCreationParts) {
    this.#core = core;
    this.#parts = parts;
  }

  /** Resolves when it is registered or has failed, together with others. */
  add(creation: LightCreation, remoteClass: RemoteClass, from: CreatedFrom): Promise<void> {
    const known = this.#gathering.get(remoteClass);
    // In the same tick another group may capture what it makes.
    const isSame = known?.from.placement.group === from.placement.group &&
      known?.from.callSite === from.callSite;
    if (known !== undefined && isSame) {
      known.creations.push(creation);
      return known.done;
    }
    const creations = [creation];
    const done = this.#core.connected.then(
      () => this.#register(remoteClass, gathering),
      (error: Error) => this.#fail(creations, error),
    );
    const gathering: Gathering = { from, creations, done };
    this.#gathering.set(remoteClass, gathering);
    return done;
  }

  async #register(remoteClass: RemoteClass, gathering: Gathering): Promise<void> {
    const { creations, from } = gathering;
    if (this.#gathering.get(remoteClass) === gathering) this.#gathering.delete(remoteClass);
    let specs: ActorSpec[];
    try {
      for (const { client } of creations) this.#parts.begin(client);
      specs = await this.#parts.specsOf(creations, remoteClass, from);
    } catch (error) {
      return this.#fail(creations, error as Error);
    }
    let next = 0;
    const sendAll = async (): Promise<void> => {
      while (next < creations.length) {
        const first = next;
        next = Math.min(creations.length, next + BATCH_MAX);
        await this.#send(creations.slice(first, next), specs.slice(first, next));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, sendAll));
  }

  async #send(creations: readonly LightCreation[], specs: readonly ActorSpec[]): Promise<void> {
    try {
      const { argBytes, block } = packArguments(creations.map(({ args }) => args.block()));
      await this.#core.link.request("createActors", { ...packSpecs(specs), argBytes }, [block]);
    } catch (error) {
      return this.#fail(creations, error as Error);
    }
    for (const creation of creations) this.#parts.ended(creation, null);
  }

  #fail(creations: readonly LightCreation[], error: Error): void {
    for (const creation of creations) this.#parts.ended(creation, error);
  }
}

/** Ids of 8 bytes in order, with 6 random ones before each 65,536 of them: a store appends their rows instead of spreading them. */
export class ConsecutiveIds {
  readonly #randomHex: (bytes: number) => string;
  #prefix = "";
  #next = 0x10000;

  constructor(randomHex: (bytes: number) => string) {
    this.#randomHex = randomHex;
  }

  next(): string {
    if (this.#next === 0x10000) {
      this.#prefix = this.#randomHex(6);
      this.#next = 0;
    }
    return this.#prefix + (this.#next++).toString(16).padStart(4, "0");
  }
}
