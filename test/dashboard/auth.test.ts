/**
 * Who may look: the token's bearer, and browsers that a ticket signed in.
 */
import { expect, test } from "bun:test";
import { createAuth, SESSION_LIFE_MS, TICKET_LIFE_MS } from "../../dashboard/server/auth.ts";

const TOKEN = "the-token";

test("the token is accepted as a bearer, and nothing else is", () => {
  const auth = createAuth(TOKEN);
  expect(auth.acceptsBearer("Bearer the-token")).toBe(true);
  expect(auth.acceptsBearer("bearer the-token")).toBe(true);
  for (
    const header of [
      undefined,
      "",
      "the-token",
      "Bearer",
      "Bearer the-token2",
      "Basic the-token",
      "Bearer the-token x",
    ]
  ) {
    expect(auth.acceptsBearer(header)).toBe(false);
  }
});

test("a cluster without a token is refused", () => {
  expect(() => createAuth("")).toThrow(TypeError);
});

test("a ticket is good once", () => {
  const auth = createAuth(TOKEN);
  const ticket = auth.createTicket();
  const session = auth.redeemTicket(ticket);
  expect(session).not.toBeNull();
  expect(auth.acceptsSession(session!)).toBe(true);
  expect(auth.redeemTicket(ticket)).toBeNull();
  expect(auth.redeemTicket("nonsense")).toBeNull();
});

test("a ticket is good for ten minutes, a session for a week", () => {
  let now = 1_000_000;
  const auth = createAuth(TOKEN, () => now);
  const [late, good] = [auth.createTicket(), auth.createTicket()];
  const session = auth.redeemTicket(good)!;
  now += TICKET_LIFE_MS + 1;
  expect(auth.redeemTicket(late)).toBeNull();
  now = 1_000_000 + SESSION_LIFE_MS - 1;
  expect(auth.acceptsSession(session)).toBe(true);
  now += 1;
  expect(auth.acceptsSession(session)).toBe(false);
});

test("tickets that nobody uses are bounded: the oldest goes", () => {
  const auth = createAuth(TOKEN);
  const tickets = Array.from({ length: 65 }, () => auth.createTicket());
  expect(auth.redeemTicket(tickets[0]!)).toBeNull();
  expect(auth.redeemTicket(tickets[1]!)).not.toBeNull();
});

test("sessions outlive the head, and belong to one cluster", () => {
  const before = createAuth(TOKEN);
  const session = before.redeemTicket(before.createTicket())!;
  const after = createAuth(TOKEN);
  expect(after.acceptsSession(session)).toBe(true);
  expect(after.cookieName).toBe(before.cookieName);
  const other = createAuth("another-token");
  expect(other.acceptsSession(session)).toBe(false);
  expect(other.cookieName).not.toBe(before.cookieName);
});

test("a session that was tampered with is refused", () => {
  const auth = createAuth(TOKEN);
  const session = auth.redeemTicket(auth.createTicket())!;
  const [version, expires, nonce, mac] = session.split(".") as [string, string, string, string];
  const forged = [
    [version, String(Number(expires) + 1), nonce, mac],
    [version, expires, `${nonce}x`, mac],
    ["2", expires, nonce, mac],
    [version, expires, nonce, ""],
    [version, expires, nonce],
  ].map((parts) => parts.join("."));
  for (const text of [...forged, "", ".", "1", undefined, "x".repeat(10_000)]) {
    expect(auth.acceptsSession(text)).toBe(false);
  }
});
