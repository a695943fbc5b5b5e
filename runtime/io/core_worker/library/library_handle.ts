/**
 * The actor behind a library object, wherever that has come to. It travels as its handle; one whose name is only being looked up
 * travels by that, because it may turn out to stand for another actor.
 * @module
 */
import type { ActorHandle as PublicHandle } from "../../../common/public_types.ts";
import { clientOf } from "../actor_handle.ts";
import { requireCoreWorker } from "../current.ts";

type ByName = readonly [name: string, namespace: string];

/** See the module's header. */
export class LibraryHandle<T> {
  #handle: PublicHandle<T> | null;
  readonly #name: string | null;
  readonly #namespace: string;
  #finding: Promise<PublicHandle<T>> | null = null;

  private constructor(handle: PublicHandle<T> | null, name: string | null, namespace: string) {
    this.#handle = handle;
    this.#name = name;
    this.#namespace = namespace;
  }

  /** Made here. */
  static made<T>(handle: PublicHandle<T>, name: string | undefined): LibraryHandle<T> {
    return new LibraryHandle<T>(handle, name ?? null, "");
  }

  /** Arrived in a value. TypeError for what is none. */
  static arrived<T>(data: unknown): LibraryHandle<T> {
    if (Array.isArray(data)) {
      const [name, namespace] = data as unknown as ByName;
      if (typeof name !== "string" || typeof namespace !== "string") {
        throw new TypeError("a library actor without a name");
      }
      return new LibraryHandle<T>(null, name, namespace);
    }
    clientOf(data, "a library actor");
    return new LibraryHandle<T>(data as PublicHandle<T>, null, "");
  }

  /** Null for one that must be found by its name first. */
  get now(): PublicHandle<T> | null {
    return this.#handle;
  }

  /** Who sent it had waited for the name. MobulaError when it is gone again. */
  find(): Promise<PublicHandle<T>> {
    this.#finding ??= requireCoreWorker().actors.get(this.#name!, this.#namespace || undefined).then((
      found,
    ) => this.#handle = found as unknown as PublicHandle<T>);
    this.#finding.catch(() => this.#finding = null);
    return this.#finding;
  }

  /** What it travels as. */
  data(): unknown {
    const handle = this.#handle;
    const isLookedUp = this.#name !== null && handle !== null &&
      clientOf(handle, "a library actor").isCreating;
    if (handle !== null && !isLookedUp) return handle;
    return [this.#name!, this.#namespace || requireCoreWorker().identity.namespace];
  }
}
