/**
 * Classes of mobula's own library actors: as remote classes that need neither parser nor bundler, in a process and in a page.
 * Such a class uses nothing but its parameters and globals, because it travels as its own text, from whatever a bundler has
 * made of mobula.
 * @module
 */
import { sha256Hex } from "../../../common/sha256.ts";
import { checkActorOptions } from "../../../common/options.ts";
import type { ActorHandle as PublicHandle, ActorOptions, AnyClass } from "../../../common/public_types.ts";
import type { MethodInfo } from "../own_call.ts";
import { RemoteClass, RemoteCode } from "../remote_function.ts";

/** What a library actor holds unless told otherwise: it waits for others most of the time. */
const OPTIONS: ActorOptions = { numCpus: 0, maxConcurrency: 100_000 };

/** Options of a library actor that its user may give. */
export type LibraryOptions = Pick<ActorOptions, "name" | "numCpus" | "resources">;

/** See the module's header. `name` is what people see; generator methods are named, because only a parser would find them. */
export class LibraryClass<C extends AnyClass> {
  readonly #cls: C;
  readonly #name: string;
  readonly #generators: readonly string[];
  readonly #options: ActorOptions;
  #code: RemoteCode | null = null;

  constructor(cls: C, name: string, generators: readonly string[] = [], options: ActorOptions = {}) {
    this.#cls = cls;
    this.#name = name;
    this.#generators = generators;
    this.#options = { ...OPTIONS, ...options };
  }

  /**
   * A new actor; with a name the one that has it, if there is one.
   * @throws {TypeError | RangeError} for bad options.
   */
  create(args: ConstructorParameters<C>, options: LibraryOptions): PublicHandle<InstanceType<C>> {
    const named = options.name === undefined ? {} : { getIfExists: true };
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const all = { ...this.#options, ...given, ...named };
    checkActorOptions(all);
    const remote = new RemoteClass(this.#definition(), all);
    return remote.remote(...args) as unknown as PublicHandle<InstanceType<C>>;
  }

  #definition(): RemoteCode {
    if (this.#code !== null) return this.#code;
    const source = Function.prototype.toString.call(this.#cls);
    const methods: Record<string, MethodInfo> = {};
    for (const name of Object.getOwnPropertyNames(this.#cls.prototype)) {
      if (name !== "constructor") methods[name] = this.#generators.includes(name) ? { streams: true } : {};
    }
    return this.#code = new RemoteCode("class", {
      hash: sha256Hex(`class\n${source}`),
      source,
      name: this.#name,
      streams: false,
      methods,
      captures: null,
    });
  }
}
