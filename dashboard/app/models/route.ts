/**
 * Where the page is: the hash of its address, so that it works at any base path, in a frame and in a file.
 * @module
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { formatRoute, parseRoute, type Route } from "./address.ts";

const current: Signal<Route> = signal(parseRoute(location.hash));

/** The address in force. */
export const route: ReadonlySignal<Route> = current;

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
