/**
 * Runtime environments as data: what users may write, how a task's lies on top of its job's, and which one is narrower
 * than another. Pure; folders are packed elsewhere (io/runtime_env/).
 * @module
 */
import type { RuntimeEnv } from "./public_types.ts";
import type { Permissions, RuntimeEnvSpec } from "./task_spec.ts";

/** Deno's permissions, by Deno's names. What is not named is denied. */
export const PERMISSION_NAMES: readonly string[] = [
  "env",
  "ffi",
  "import",
  "net",
  "read",
  "run",
  "sys",
  "write",
];
const KEYS: readonly string[] = ["workingDir", "excludes", "env", "runtime", "permissions"];
const RUNTIMES: readonly unknown[] = ["bun", "deno", "node"];
const ENV_NAME = /^[^=\0]+$/;
/** A folder that is packed already, in place of its path. */
const PACKED = /^mobula-folder:([0-9a-f]{64})$/;

/** A folder of this process that is still to be packed. */
export interface LocalFolder {
  readonly path: string;
  readonly excludes: readonly string[];
}

/** An environment as a submitter holds it: with `folder`, workingDir is known once that is packed. */
export interface RuntimeEnvRequest extends RuntimeEnvSpec {
  readonly folder?: LocalFolder;
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || typeof value !== "object") return String(value);
  return `an ${Array.isArray(value) ? "array" : "object"}`;
}

function refuse(name: string, expected: string, value: unknown): never {
  throw new TypeError(`Option ${name} must be ${expected}, is ${describe(value)}`);
}

function entriesOf(value: unknown, name: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(name, "an object", value);
  return Object.entries(value);
}

function strings(value: unknown, name: string): void {
  if (!Array.isArray(value)) refuse(name, "an array of strings", value);
  for (const [index, item] of value.entries()) {
    if (typeof item !== "string") refuse(`${name}[${index}]`, "a string", item);
    if (item === "" || /[\0\r\n]/.test(item)) {
      throw new RangeError(`Option ${name}[${index}] must be one line and not empty, is ${describe(item)}`);
    }
  }
}

/** Throw unless this is a valid runtime environment: TypeError for unknown keys and wrong types, else RangeError. */
export function checkRuntimeEnv(value: unknown, name: string): asserts value is RuntimeEnv {
  for (const [key] of entriesOf(value, name)) {
    if (!KEYS.includes(key)) {
      throw new TypeError(`Unknown option ${name}.${key}; known: ${KEYS.join(", ")}`);
    }
  }
  const { workingDir, excludes, env, runtime, permissions } = value as Record<string, unknown>;
  if (workingDir !== undefined) {
    if (typeof workingDir !== "string") refuse(`${name}.workingDir`, "a string", workingDir);
    if (workingDir.trim() === "" || workingDir.includes("\0")) {
      throw new RangeError(
        `Option ${name}.workingDir must be the path of a folder, is ${describe(workingDir)}`,
      );
    }
  }
  if (excludes !== undefined) {
    strings(excludes, `${name}.excludes`);
    if (workingDir === undefined) throw new TypeError(`Option ${name}.excludes needs ${name}.workingDir`);
  }
  if (env !== undefined) {
    for (const [key, text] of entriesOf(env, `${name}.env`)) {
      if (typeof text !== "string") refuse(`${name}.env.${key}`, "a string", text);
      if (!ENV_NAME.test(key) || text.includes("\0")) {
        throw new RangeError(`Option ${name}.env.${key} is not a variable that a process can have`);
      }
    }
  }
  if (runtime !== undefined && !RUNTIMES.includes(runtime)) {
    throw new RangeError(`Option ${name}.runtime must be "bun", "deno" or "node", is ${describe(runtime)}`);
  }
  if (permissions !== undefined) checkPermissions(permissions, `${name}.permissions`, runtime);
}

function checkPermissions(value: unknown, name: string, runtime: unknown): void {
  for (const [key, granted] of entriesOf(value, name)) {
    if (!PERMISSION_NAMES.includes(key)) {
      throw new TypeError(`Unknown option ${name}.${key}; known: ${PERMISSION_NAMES.join(", ")}`);
    }
    if (typeof granted !== "boolean" && granted !== undefined) {
      if (!Array.isArray(granted)) refuse(`${name}.${key}`, "a boolean or an array of strings", granted);
      strings(granted, `${name}.${key}`);
    }
  }
  if (runtime !== undefined && runtime !== "deno") {
    throw new TypeError(`Option ${name} needs runtime "deno", is with ${describe(runtime)}`);
  }
}

/**
 * A job's (or parent's) environment with a task's on top: variables merge key by key, the rest is replaced. Permissions
 * choose Deno where no runtime is given with them.
 * @throws {TypeError} for permissions with a runtime that has none.
 */
export function runtimeEnvOf(
  base: RuntimeEnvRequest | undefined,
  own: RuntimeEnv | undefined,
): RuntimeEnvRequest {
  if (own === undefined) return base ?? { hash: "" };
  const permissions = own.permissions === undefined ? base?.permissions : granted(own.permissions);
  const runtime = own.runtime ?? (permissions === undefined ? base?.runtime : "deno");
  if (permissions !== undefined && runtime !== "deno") {
    throw new TypeError(
      `Option runtimeEnv.runtime "${runtime}" cannot have the permissions of its job or parent: only Deno can`,
    );
  }
  const merged = { ...base?.env, ...own.env };
  const env = Object.fromEntries(Object.keys(merged).sort().map((name) => [name, merged[name]!]));
  const fields = { ...(runtime && { runtime }), env, ...(permissions && { permissions }) };
  const { workingDir: given } = own;
  if (given === undefined) {
    const { workingDir, folder } = base ?? {};
    return withHash({ ...fields, ...(workingDir && { workingDir }), ...(folder && { folder }) });
  }
  const packed = PACKED.exec(given);
  if (packed !== null) return withHash({ ...fields, workingDir: packed[1]! });
  return withHash({ ...fields, folder: { path: given, excludes: own.excludes ?? [] } });
}

/** The environment once its folder is packed. */
export function withWorkingDir(
  { folder: _folder, ...spec }: RuntimeEnvRequest,
  hash: string,
): RuntimeEnvSpec {
  return withHash({ ...spec, workingDir: hash });
}

/** What stands for a packed folder in an option that travels. */
export function packedFolder(hash: string): string {
  return `mobula-folder:${hash}`;
}

/** What the hashes of a restricted worker's code begin with: it can take no other code's place in the function table. */
export function restrictedPrefix(self: string): string {
  return `r-${self}-`;
}

/** Only what is granted, in Deno's order of names: equal sandboxes look equal. */
function granted(permissions: Record<string, boolean | string[]>): Permissions {
  const result: Record<string, boolean | readonly string[]> = {};
  for (const name of PERMISSION_NAMES) {
    const value = permissions[name];
    if (value === true) result[name] = true;
    else if (Array.isArray(value) && value.length > 0) result[name] = [...new Set(value)].sort();
  }
  return result;
}

function withHash(env: Omit<RuntimeEnvRequest, "hash">): RuntimeEnvRequest {
  const { runtime, env: variables = {}, workingDir, folder, permissions } = env;
  const isPlain = runtime === undefined && Object.keys(variables).length === 0 && workingDir === undefined &&
    folder === undefined && permissions === undefined;
  if (isPlain) return { hash: "" };
  const parts = [runtime ?? "", variables, workingDir ?? folder ?? "", permissions ?? ""];
  return { ...env, hash: JSON.stringify(parts) };
}

/**
 * Why a restricted worker (`parent`) may not have work done in `child`; null when it may. The child may do nothing that the
 * parent may not: equal or narrower permissions, no variable of its own (some make a runtime load code), no other folder.
 */
export function whyNotNarrower(child: RuntimeEnvSpec, parent: RuntimeEnvSpec): string | null {
  if (parent.permissions === undefined) return null;
  if (child.runtime !== "deno" || child.permissions === undefined) return "it has no permissions";
  if (typeof child.permissions !== "object" || child.permissions === null) {
    return "its permissions are no object";
  }
  for (const [name, value] of Object.entries(child.permissions)) {
    if (!PERMISSION_NAMES.includes(name)) return `its permission ${name} is unknown`;
    if (value === false) continue;
    if (value !== true && !isStrings(value)) return `its permission ${name} is neither a boolean nor a list`;
    if (!isWithin(name, value, parent.permissions[name])) return `its permission ${name} is wider`;
  }
  for (const [name, value] of Object.entries(child.env ?? {})) {
    if (parent.env?.[name] !== value) return `its variable ${name} is not one of the parent's`;
  }
  if (child.workingDir !== undefined && child.workingDir !== parent.workingDir) {
    return "its workingDir is another one";
  }
  return null;
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string" && !/[\0\r\n]/.test(item));
}

function isWithin(
  name: string,
  child: true | readonly string[],
  parent: boolean | readonly string[] | undefined,
): boolean {
  if (parent === true) return true;
  if (parent === undefined || parent === false || child === true) return false;
  if (name !== "read" && name !== "write") return child.every((item) => parent.includes(item));
  return child.every((item) => parent.some((folder) => item === folder || isBelow(item, folder)));
}

/** Of two paths as written; one with `..` is below nothing. */
function isBelow(path: string, folder: string): boolean {
  if (path.split("/").includes("..")) return false;
  return path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
