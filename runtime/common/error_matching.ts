/**
 * `error instanceof UserClass`, also where the error was thrown in another process and the user's class cannot be reached
 * from mobula: an error that arrived carries the names of its class and that class's bases, and Error has a
 * Symbol.hasInstance (inherited by every user class that extends an Error) which falls back to comparing names.
 *
 * The names are kept in a WeakMap that all copies of mobula in a process share: looking there runs no user code (no
 * property is read from the value, so proxies behave as before), and for every value that did not come from mobula the
 * answer is exactly the ordinary one. Two classes with the same name in different modules match each other: names are
 * all that travels.
 * @module
 */

const NAMES: unique symbol = Symbol.for("mobula.errorClassNames") as never;
const INSTALLED: unique symbol = Symbol.for("mobula.errorMatching") as never;
/** More bases than any sane class has; a hostile peer's list ends here. */
const NAMES_MAX = 64;

type NameTable = WeakMap<object, readonly string[]>;

function nameTable(): NameTable {
  const scope = globalThis as { [NAMES]?: NameTable };
  if (scope[NAMES] === undefined) {
    Object.defineProperty(scope, NAMES, { value: new WeakMap(), configurable: true });
  }
  return scope[NAMES]!;
}

/** Let `error` pass as an instance of the classes with these names, nearest first. */
export function setClassNames(error: object, names: readonly string[]): void {
  nameTable().set(error, names.slice(0, NAMES_MAX));
}

/** The names that were set on this very value, or undefined. */
export function carriedClassNames(error: object): readonly string[] | undefined {
  return nameTable().get(error);
}

/**
 * Names of a thrown error's classes from its own up to Error, nearest first; names that it carries come before those of
 * the class that stands for it here. Empty for what is not an Error.
 */
export function userClassNames(error: object): string[] {
  const names: string[] = [];
  const add = (name: unknown): void => {
    if (typeof name === "string" && name !== "" && !names.includes(name) && names.length < NAMES_MAX) {
      names.push(name);
    }
  };
  for (const name of carriedClassNames(error) ?? []) add(name);
  let isError = false;
  for (
    let p = Object.getPrototypeOf(error);
    p !== null && p !== Object.prototype;
    p = Object.getPrototypeOf(p)
  ) {
    if (!Object.hasOwn(p, "constructor")) continue;
    add((p.constructor as { name?: unknown } | undefined)?.name);
    if (p === Error.prototype) isError = true;
  }
  return isError ? names : [];
}

/** Whether `value` carries the name of the class `cls`. */
export function matchesClassName(cls: { readonly name: string }, value: object): boolean {
  const names = carriedClassNames(value);
  if (names === undefined) return false;
  const name: unknown = cls.name;
  return typeof name === "string" && name !== "" && names.includes(name);
}

/**
 * Make `instanceof` true for errors that arrived from other processes, by class name. Called by init; idempotent, also
 * between copies of mobula. False where Error is frozen: then only TaskError and the other classes of mobula match.
 */
export function installErrorMatching(): boolean {
  const present = Object.getOwnPropertyDescriptor(Error, Symbol.hasInstance)?.value as
    | { [INSTALLED]?: boolean }
    | undefined;
  if (present?.[INSTALLED] === true) return true;
  // Whoever replaced it before us keeps his say.
  const ordinary = (present ?? Function.prototype[Symbol.hasInstance]) as (
    this: unknown,
    value: unknown,
  ) => boolean;
  const matching = function (this: unknown, value: unknown): boolean {
    if (ordinary.call(this, value)) return true;
    return typeof value === "object" && value !== null && typeof this === "function" &&
      matchesClassName(this, value);
  };
  Object.defineProperty(matching, INSTALLED, { value: true });
  try {
    Object.defineProperty(Error, Symbol.hasInstance, { value: matching, writable: true, configurable: true });
    return true;
  } catch {
    return false;
  }
}
