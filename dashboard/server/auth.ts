/**
 * Who may look: the bearer of the cluster's token, or a browser with the session cookie that a one-time ticket gave it.
 *
 * Tickets live in memory, are good for one use and ten minutes. Cookies are signed with a key that is derived from the
 * token, so a browser stays signed in while the head restarts, and nothing has to be stored. Secrets are compared by their
 * digests in constant time.
 * @module
 */
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * What somebody may do: everything that the page offers, or look. A viewer triggers nothing: neither commands (commands/) nor
 * statements of the console.
 */
export type Role = "full" | "viewer";

/** How long a ticket waits to be used. */
export const TICKET_LIFE_MS: number = 10 * 60_000;
/** How long a browser stays signed in. */
export const SESSION_LIFE_MS: number = 7 * 24 * 3_600_000;
/** Tickets that wait at once; the oldest goes first. */
const TICKETS_MAX = 64;
const COOKIE_LENGTH_MAX = 200;

export interface Auth {
  /** Name of the cookie; differs between clusters, because browsers send cookies to every port of a host. */
  readonly cookieName: string;
  /** What lets a viewer in instead of the cluster's token; it is made from the token, and the token cannot be made from it. */
  readonly viewerToken: string;
  /** A fresh one-time ticket, for the link that signs a browser in. */
  createTicket(role?: Role): string;
  /** Use up a ticket: the session cookie's value, or null when it is unknown, used or too old. */
  redeemTicket(ticket: string): string | null;
  /** Whose token an Authorization header carries; null: nobody's. */
  roleOfBearer(header: string | undefined): Role | null;
  /** Whose session a cookie's value is, if it is one of ours and still good. */
  roleOfSession(cookie: string | undefined): Role | null;
}

/** @param token the cluster's token. @param now milliseconds since the epoch; Date.now by default. */
export function createAuth(token: string, now: () => number = Date.now): Auth {
  if (token.length === 0) throw new TypeError("the dashboard needs the cluster's token, not an empty string");
  const key = Buffer.from(hkdfSync("sha256", token, "", "mobula dashboard session", 32));
  const tokenDigest = digest(token);
  const viewerToken = Buffer.from(hkdfSync("sha256", token, "", "mobula dashboard viewer", 24)).toString(
    "base64url",
  );
  const viewerDigest = digest(viewerToken);
  /** All and only tickets that can be used, by their digest: oldest first. */
  const tickets = new Map<string, { readonly expiresMs: number; readonly role: Role }>();
  const sign = (text: string) => createHmac("sha256", key).update(text).digest("base64url");

  return {
    cookieName: `mobula_${createHmac("sha256", key).update("cookie name").digest("hex").slice(0, 8)}`,

    viewerToken,

    createTicket(role: Role = "full"): string {
      const ticket = randomBytes(24).toString("base64url");
      tickets.set(digest(ticket).toString("hex"), { expiresMs: now() + TICKET_LIFE_MS, role });
      if (tickets.size > TICKETS_MAX) tickets.delete(tickets.keys().next().value!);
      return ticket;
    },

    redeemTicket(ticket: string): string | null {
      // Looked up by digest: how long it takes says nothing about the tickets that there are.
      const id = digest(ticket).toString("hex");
      const found = tickets.get(id);
      if (found === undefined) return null;
      tickets.delete(id);
      if (found.expiresMs < now()) return null;
      const text = `2.${found.role}.${now() + SESSION_LIFE_MS}.${randomBytes(12).toString("base64url")}`;
      return `${text}.${sign(text)}`;
    },

    roleOfBearer(header: string | undefined): Role | null {
      const match = /^Bearer +([^\s]+) *$/i.exec(header ?? "");
      if (match === null) return null;
      const given = digest(match[1]!);
      if (timingSafeEqual(given, tokenDigest)) return "full";
      return timingSafeEqual(given, viewerDigest) ? "viewer" : null;
    },

    roleOfSession(cookie: string | undefined): Role | null {
      if (cookie === undefined || cookie.length > COOKIE_LENGTH_MAX) return null;
      const at = cookie.lastIndexOf(".");
      const text = cookie.slice(0, Math.max(at, 0));
      const genuine = timingSafeEqual(digest(cookie.slice(at + 1)), digest(sign(text)));
      const [version, role, expiresMs] = text.split(".");
      const isGood = genuine && version === "2" && Number(expiresMs) > now();
      return isGood && (role === "full" || role === "viewer") ? role : null;
    },
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
