/**
 * Which classes have a codec, so that their instances may travel. On the wire an instance is the class's name, the
 * content hash of its exported source (class and codec together, made by the function exporter) and what the codec's
 * `encode` made of it. A process that lacks the codec gets a MissingCodecError with the hash, fetches the source from the
 * function table, adds the loaded class here and decodes again.
 * @module
 */
import { MobulaError } from "../../common/errors.ts";

export type AnyClass = abstract new (...args: any[]) => object;

/** How the user turns an instance into data (anything serializable) and back. */
export interface ClassCodec<T = any, D = any> {
  encode(value: T): D;
  decode(data: D): T;
}

export interface RegisteredClass {
  readonly cls: AnyClass;
  readonly codec: ClassCodec;
  /** For people. */
  readonly name: string;
  /** Content hash of the source of class and codec. */
  readonly hash: string;
}

/** The bytes hold an instance whose codec this process does not have yet: fetch `hash`, register, decode again. */
export class MissingCodecError extends MobulaError {
  readonly className: string;
  readonly hash: string;
  constructor(className: string, hash: string) {
    super(`the codec of class ${className} (${hash.slice(0, 12)}) is not loaded in this process`, {
      code: "MissingCodecError",
    });
    this.className = className;
    this.hash = hash;
  }
}

/** The classes of one process; bounded by what the user registers. */
export class ClassRegistry {
  readonly #byPrototype = new Map<object, RegisteredClass>();
  readonly #byHash = new Map<string, RegisteredClass>();

  get size(): number {
    return this.#byHash.size;
  }

  /** The codec for instances of exactly this prototype (a subclass needs its own: the codec would lose its fields). */
  forPrototype(prototype: object): RegisteredClass | undefined {
    return this.#byPrototype.get(prototype);
  }

  forHash(hash: string): RegisteredClass | undefined {
    return this.#byHash.get(hash);
  }

  /**
   * Add a class, or give it another codec (instances that are under way still decode with the old one). In a worker the
   * class comes from the function table; the same hash twice is one class.
   */
  add(entry: RegisteredClass): RegisteredClass {
    const known = this.#byHash.get(entry.hash);
    if (known !== undefined && known.cls === entry.cls) return known;
    // The user's own class goes before a copy of it that arrived as source.
    this.#byHash.set(entry.hash, entry);
    this.#byPrototype.set(entry.cls.prototype, entry);
    return entry;
  }
}

/** The registry that encodeValue and decodeValue use unless told otherwise. */
export const classRegistry: ClassRegistry = new ClassRegistry();

/** Instances of `cls` may travel from now on. `hash` is the content hash of the exported class and codec. */
export function registerClass(
  cls: AnyClass,
  codec: ClassCodec,
  hash: string,
  name: string = cls.name,
): RegisteredClass {
  return classRegistry.add({ cls, codec, hash, name });
}
