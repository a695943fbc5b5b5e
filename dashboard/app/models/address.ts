/**
 * Addresses of the page as data: a page, perhaps an id, and parameters, written as the hash of a URL.
 * `#/jobs/j-1?x=y` is the page "jobs" with the id "j-1" and the parameter x.
 * @module
 */

export interface Route {
  /** First part of the path: "" for home. */
  readonly page: string;
  /** The rest of the path, decoded; null for none. */
  readonly id: string | null;
  readonly params: URLSearchParams;
}

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

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
