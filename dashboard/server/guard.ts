/**
 * What every request must pass before anything else looks at it, whatever its method: a Host that is ours (else a page of
 * another site could reach us by a name of its own that points here), no other site behind it, and who it is.
 * @module
 */
import { isIP } from "node:net";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import type { Auth, Role } from "./auth.ts";
import { signInPage } from "./sign_in_page.ts";

/** Names under which a loopback server is reached. */
export const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** The page loads what stands beside it, and nothing else: no inline script or style, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'";

const HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "cache-control": "no-store",
};

/** What the guard has found out about a request. */
export interface Caller {
  readonly role: Role;
  /** By a token that it sent itself, or by a cookie that its browser added. */
  readonly by: "token" | "session";
}

declare module "hono" {
  interface ContextVariableMap {
    /** Who asks; not there on GET /healthz, which anybody may. */
    caller: Caller;
  }
}

/** The header that a page sets on commands; another site's form cannot, and its script is not allowed to. */
export const COMMAND_HEADER: string = "x-mobula-command";

/**
 * Headers of every answer; a route may have set its own.
 * @param frames origins whose pages may show ours in a frame.
 */
export function safeHeaders(frames: readonly string[]): MiddlewareHandler {
  const ancestors = frames.length === 0 ? "'none'" : `'self' ${frames.join(" ")}`;
  const headers = { ...HEADERS, "content-security-policy": `${POLICY}; frame-ancestors ${ancestors}` };
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(headers)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
  };
}

/** Whether a Host header names this server: an address (a page can point a name of its own at us, but not an address),
 *  loopback, or one of `hosts`. */
export function isOurHost(host: string, hosts: readonly string[]): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return isIP(name.replace(/^\[|\]$/g, "")) !== 0 ||
    [...LOOPBACK_HOSTS, ...hosts].some((ours) => ours.toLowerCase() === name);
}

/**
 * Refuse names that are not ours, and what other sites send.
 * @param mayBeFramed whether some site may show the page in a frame (which one, the browser checks).
 */
export function onlyOurOrigin(hosts: readonly string[], mayBeFramed: boolean): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header("host") ?? "";
    if (!isOurHost(host, hosts)) {
      return refuse(c, 403, "HOST_REFUSED", "the Host header names none of this server's addresses");
    }
    const origin = c.req.header("origin");
    if (origin !== undefined && !/^https?:\/\//.test(origin)) return refuseOrigin(c);
    if (origin !== undefined && origin.replace(/^https?:\/\//, "") !== host) return refuseOrigin(c);
    const site = c.req.header("sec-fetch-site");
    // A link on another site may lead to the page; only the page itself may ask for data.
    const isVisit = c.req.method === "GET" && c.req.header("sec-fetch-mode") === "navigate" &&
      isPlaceForPages(c.req.header("sec-fetch-dest"), mayBeFramed) && !isApi(c);
    if (site !== undefined && site !== "same-origin" && site !== "none" && !isVisit) return refuseOrigin(c);
    await next();
  };
}

/** Refuse who has neither token nor session; GET /healthz is for everybody. */
export function onlySignedIn(auth: Auth): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.path === "/healthz") return await next();
    const byToken = auth.roleOfBearer(c.req.header("authorization"));
    const role = byToken ?? auth.roleOfSession(getCookie(c, auth.cookieName));
    if (role !== null) {
      c.set("caller", { role, by: byToken === null ? "session" : "token" });
      return await next();
    }
    const wantsPage = !isApi(c) && (c.req.header("accept") ?? "").includes("text/html");
    if (wantsPage) return signInPage(c.req.query("ticket") !== undefined);
    c.header("www-authenticate", "Bearer");
    return refuse(
      c,
      401,
      "AUTHENTICATION_ERROR",
      "the cluster's token is required: Authorization: Bearer TOKEN, or the link that `mobula status` prints",
    );
  };
}

/**
 * Reads are for everybody who is signed in. What may trigger something comes by POST, from the full role, and shows that no
 * other site is behind it: a cookie is sent by the browser whoever made the request, so the request needs a header that
 * only our page can set, and an origin that is ours.
 */
export function onlyCommands(): MiddlewareHandler {
  return async (c, next) => {
    const { method } = c.req;
    if (method === "GET" || method === "HEAD") return await next();
    if (method !== "POST") {
      c.header("allow", "GET, HEAD, POST");
      return refuse(c, 405, "METHOD_NOT_ALLOWED", "this API is read with GET and told what to do with POST");
    }
    const { role, by } = (c.get("caller") as Caller | undefined) ?? { role: "viewer", by: "session" };
    if (role !== "full") {
      return refuse(c, 403, "VIEWER_REFUSED", "viewers look and trigger nothing: the full role is needed");
    }
    if (by === "session") {
      const isOurs = c.req.header("sec-fetch-site") === "same-origin" || c.req.header("origin") !== undefined;
      if (!isOurs || c.req.header(COMMAND_HEADER) !== "1") return refuseOrigin(c);
    }
    await next();
  };
}

export function refuse(
  c: Context,
  status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 500 | 503 | 504,
  code: string,
  message: string,
): Response {
  return c.json({ error: { code, message } }, status);
}

function refuseOrigin(c: Context): Response {
  return refuse(c, 403, "ORIGIN_REFUSED", "requests from other sites are refused");
}

function isApi(c: Context): boolean {
  return c.req.path.startsWith("/api/");
}

function isPlaceForPages(destination: string | undefined, mayBeFramed: boolean): boolean {
  return destination === "document" || (mayBeFramed && destination === "iframe");
}
