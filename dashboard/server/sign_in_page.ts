/**
 * What a browser without a session sees. It needs nothing but itself: its one style is allowed by its hash.
 * @module
 */
import { createHash } from "node:crypto";

const STYLE = "html{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}" +
  "body{max-width:34rem;margin:18vh auto;padding:0 1.5rem}h1{font-size:1.25rem;font-weight:600}" +
  "code{font:0.9em ui-monospace,monospace;padding:.1em .35em;border:1px solid color-mix(in srgb,currentColor 25%,transparent);" +
  "border-radius:4px}p{color:color-mix(in srgb,currentColor 80%,transparent)}";
const HASH = createHash("sha256").update(STYLE).digest("base64");

/** @param hadTicket whether the link carried a ticket, which then was used or too old. */
export function signInPage(hadTicket: boolean): Response {
  const why = hadTicket
    ? "This link has been used already, or it is more than ten minutes old. A link signs in one browser, once."
    : "This browser is not signed in to the cluster.";
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mobula: sign in</title>` +
    `<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head><body>` +
    `<h1>mobula</h1><p>${why}</p><p>On a machine of the cluster, run <code>mobula status</code> and open the ` +
    `dashboard link that it prints.</p></body></html>`;
  return new Response(html, {
    status: 401,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        `default-src 'none'; style-src 'sha256-${HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    },
  });
}
