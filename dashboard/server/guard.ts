/**
 * What every request must pass before anything else looks at it, whatever its method: a Host that is ours (else a page of
 * another site could reach us by a name of its own that points here), no other site behind it, and who it is.
 * @module
 */
import { isIP } from "node:net";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import type { Auth } from "./auth.ts";
import { signInPage } from "./sign_in_page.ts";

/** Names under which a loopback server is reached. */
export const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/** Headers of every answer; a route may have set its own. */
export function safeHeaders(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    for (const name in HEADERS) if (!c.res.headers.has(name)) c.res.headers.set(name, HEADERS[name]!);
  };
}

/** Whether a Host header names this server: an address (a page can point a name of its own at us, but not an address),
 *  loopback, or one of `hosts`. */
export function isOurHost(host: string, hosts: readonly string[]): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return isIP(name.replace(/^\[|\]$/g, "")) !== 0 ||
    [...LOOPBACK_HOSTS, ...hosts].some((ours) => ours.toLowerCase() === name);
}

/** Refuse names that are not ours, and what other sites send. */
export function onlyOurOrigin(hosts: readonly string[]): MiddlewareHandler {
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
      c.req.header("sec-fetch-dest") === "document" && !isApi(c);
    if (site !== undefined && site !== "same-origin" && site !== "none" && !isVisit) return refuseOrigin(c);
    await next();
  };
}

/** Refuse who has neither token nor session; GET /healthz is for everybody. */
export function onlySignedIn(auth: Auth): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.path === "/healthz") return await next();
    if (auth.acceptsBearer(c.req.header("authorization"))) return await next();
    if (auth.acceptsSession(getCookie(c, auth.cookieName))) return await next();
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

export function refuse(
  c: Context,
  status: 400 | 401 | 403 | 404 | 405 | 500 | 503,
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
