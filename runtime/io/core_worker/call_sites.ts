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
  readonly #userLines: (place: string) => string;

  /** `userLines`: a place in code that travelled, in the user's file. */
  constructor(userLines: (place: string) => string) {
    this.#userLines = userLines;
  }

  /** Call while the user's call is on the stack. Answers the same entries. */
  note(entries: Entry[]): Entry[] {
    const site = this.here();
    if (site !== null) { for (const entry of entries) this.#sites.set(entry, site); }
    return entries;
  }

  /** `file:line:column` in the user's code that is on the stack now. */
  here(): string | null {
    const frame = userFrame(stackHere());
    return frame === null ? null : this.#userLines(frame);
  }

  of(entry: Entry): string | null {
    return this.#sites.get(entry) ?? null;
  }
}

/** Null unless the environment asks for them. @throws {RangeError} for a value that is neither 0 nor 1. */
export function callSitesOfProcess(
  userLines: (place: string) => string = (place) => place,
): CallSites | null {
  const text = textSetting("MOBULA_RECORD_CALL_SITES");
  if (text === null || text === "0") return null;
  if (text === "1") return new CallSites(userLines);
  throw new RangeError(`MOBULA_RECORD_CALL_SITES must be 0 or 1, is ${JSON.stringify(text)}`);
}

/** The stack of who calls, with frames enough to reach the user's. */
export function stackHere(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = OWN_FRAMES_MAX;
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = limit;
  return stack;
}

/** `file:line:column` of the first frame of a stack that is not of this code, the first frame being this module's. Of a worker's
 *  bundle the whole file is this code. Null when there is none, as in a page's bundle, where the user's code is in the same file. */
export function userFrame(stack: string): string | null {
  let own: string | undefined;
  for (const line of stack.split("\n")) {
    const [, place, file] = /(([^\s()]+):\d+:\d+)\)?$/.exec(line) ?? [];
    if (place === undefined) continue;
    own ??= /^(.*\/)io\/core_worker\/call_sites\.\w+$/.exec(file!)?.[1] ?? `${file}:`;
    if (place.startsWith(own) || /^(node:|native:|ext:)/.test(place)) continue;
    return place.replace(/^file:\/\//, "").slice(0, 300);
  }
  return null;
}
