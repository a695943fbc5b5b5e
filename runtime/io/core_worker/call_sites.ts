/**
 * Where in the user's code objects were made, for `mobula mem`. A stack costs some 10 us, so it is taken only when
 * MOBULA_RECORD_CALL_SITES=1 is set in the environment of the process that puts or calls (Ray:
 * RAY_record_ref_creation_sites).
 * @module
 */
import { textSetting } from "../environment.ts";
import type { Entry } from "./entry.ts";

/** Frames of this code come before the user's. */
const OWN_FRAMES_MAX = 40;

/** See the module's header. */
export class CallSites {
  readonly #sites = new WeakMap<Entry, string>();

  /** Call while the user's call is on the stack. Answers the same entries. */
  note(entries: Entry[]): Entry[] {
    const site = this.here();
    if (site !== null) { for (const entry of entries) this.#sites.set(entry, site); }
    return entries;
  }

  /** `file:line:column` in the user's code that is on the stack now. */
  here(): string | null {
    return userFrame(stackNow());
  }

  of(entry: Entry): string | null {
    return this.#sites.get(entry) ?? null;
  }
}

/** Null unless the environment asks for them. @throws {RangeError} for a value that is neither 0 nor 1. */
export function callSitesOfProcess(): CallSites | null {
  const text = textSetting("MOBULA_RECORD_CALL_SITES");
  if (text === null || text === "0") return null;
  if (text === "1") return new CallSites();
  throw new RangeError(`MOBULA_RECORD_CALL_SITES must be 0 or 1, is ${JSON.stringify(text)}`);
}

function stackNow(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = OWN_FRAMES_MAX;
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = limit;
  return stack;
}

/** `file:line:column` of the first frame of a stack that is not of this code; null when there is none, and in a bundle, where
 *  nobody can tell. */
export function userFrame(stack: string): string | null {
  const own = /([^\s()]*\/)io\/core_worker\/call_sites\.\w+:\d+:\d+/.exec(stack)?.[1];
  if (own === undefined) return null;
  for (const line of stack.split("\n")) {
    const place = /([^\s()]+:\d+:\d+)\)?$/.exec(line)?.[1];
    if (place === undefined || place.startsWith(own) || /^(node:|native:|ext:)/.test(place)) continue;
    return place.replace(/^file:\/\//, "").slice(0, 300);
  }
  return null;
}
