/**
 * Where the page is: the hash of its address, so that it works at any base path, in a frame and in a file. `#/jobs/j-1?x=y` is
 * the page "jobs" with the id "j-1" and the parameter x.
 * @module
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";

export interface Route {
  /** First part of the path: "" for home. */
  readonly page: string;
  /** The rest of the path, decoded; null for none. */
  readonly id: string | null;
  readonly params: URLSearchParams;
}

const current: Signal<Route> = signal(parseRoute(typeof location === "undefined" ? "" : location.hash));

/** The address in force. */
export const route: ReadonlySignal<Route> = current;

/** What a hash says: "#/tasks?filter=a". Anything else is home. */
export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#\/?/, "");
  const at = text.indexOf("?");
  const path = at < 0 ? text : text.slice(0, at);
  const slash = path.indexOf("/");
  return {
    page: slash < 0 ? path : path.slice(0, slash),
    id: slash < 0 || slash === path.length - 1 ? null : decode(path.slice(slash + 1)),
    params: new URLSearchParams(at < 0 ? "" : text.slice(at + 1)),
  };
}

/** The hash of a route. */
export function formatRoute(
  page: string,
  id: string | null = null,
  params: Readonly<Record<string, string | null | undefined>> | URLSearchParams = {},
): string {
  const given = params instanceof URLSearchParams
    ? params
    : new URLSearchParams(Object.entries(params).filter((pair): pair is [string, string] => pair[1] != null));
  const query = given.toString();
  return `#/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}${query === "" ? "" : `?${query}`}`;
}

/** Go there, as a link does. */
export function navigate(href: string): void {
  location.hash = href;
}

/**
 * Change parameters of the address: null takes one away. The step is not in the browser's history unless `push`: typing into
 * a filter is one visit.
 */
export function setParams(changes: Readonly<Record<string, string | null>>, push = false): void {
  const { page, id, params } = current.peek();
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  const hash = formatRoute(page, id, next);
  if (hash === formatRoute(page, id, params)) return;
  if (push) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
  current.value = parseRoute(hash);
}

/** Follow the address from now on. */
export function followAddress(): void {
  addEventListener("hashchange", () => current.value = parseRoute(location.hash));
  addEventListener("popstate", () => current.value = parseRoute(location.hash));
}

/** A panel shown alone in a frame: `?embed=1` before or in the hash; `panel=<id>` names the panel. */
export function isEmbedded(): boolean {
  return current.value.params.get("embed") === "1" ||
    new URLSearchParams(location.search).get("embed") === "1";
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
