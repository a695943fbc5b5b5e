/**
 * Who may look: the token's bearer, and browsers that a ticket signed in.
 */
import { expect, test } from "bun:test";
import { createAuth, SESSION_LIFE_MS, TICKET_LIFE_MS } from "../../dashboard/server/auth.ts";

const TOKEN = "the-token";

test("the token is accepted as a bearer, and nothing else is", () => {
  const auth = createAuth(TOKEN);
  expect(auth.roleOfBearer("Bearer the-token")).toBe("full");
  expect(auth.roleOfBearer("bearer the-token")).toBe("full");
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
    expect(auth.roleOfBearer(header)).toBeNull();
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
  expect(auth.roleOfSession(session!)).toBe("full");
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
  expect(auth.roleOfSession(session)).toBe("full");
  now += 1;
  expect(auth.roleOfSession(session)).toBeNull();
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
  expect(after.roleOfSession(session)).toBe("full");
  expect(after.cookieName).toBe(before.cookieName);
  const other = createAuth("another-token");
  expect(other.roleOfSession(session)).toBeNull();
  expect(other.cookieName).not.toBe(before.cookieName);
});

test("a session that was tampered with is refused", () => {
  const auth = createAuth(TOKEN);
  const session = auth.redeemTicket(auth.createTicket())!;
  const [version, role, expires, nonce, mac] = session.split(".") as [string, string, string, string, string];
  const forged = [
    [version, role, String(Number(expires) + 1), nonce, mac],
    [version, role, expires, `${nonce}x`, mac],
    ["1", role, expires, nonce, mac],
    [version, "viewer", expires, nonce, mac],
    [version, role, expires, nonce, ""],
    [version, role, expires, nonce],
  ].map((parts) => parts.join("."));
  for (const text of [...forged, "", ".", "1", undefined, "x".repeat(10_000)]) {
    expect(auth.roleOfSession(text)).toBeNull();
  }
});

test("a viewer is let in by a token and by tickets of their own, and stays a viewer", () => {
  const auth = createAuth(TOKEN);
  expect(auth.roleOfBearer(`Bearer ${auth.viewerToken}`)).toBe("viewer");
  expect(auth.viewerToken).not.toContain(TOKEN);
  expect(createAuth(TOKEN).viewerToken).toBe(auth.viewerToken);
  expect(createAuth("another-token").viewerToken).not.toBe(auth.viewerToken);
  const session = auth.redeemTicket(auth.createTicket("viewer"))!;
  expect(auth.roleOfSession(session)).toBe("viewer");
  expect(auth.roleOfSession(session.replace(".viewer.", ".full."))).toBeNull();
});
