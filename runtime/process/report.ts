/**
 * A report: the dashboard's page in one HTML file, with the record of a job in it. It opens from a disk, asks no network for
 * anything (its own policy forbids it), and shows the same pages.
 * @module
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureDashboardApp } from "../../dashboard/server/app_build.ts";

/** The file's text. `gzip`: the record as it lies in the store, base64. */
export async function buildReport(title: string, gzip: string): Promise<string> {
  const folder = await ensureDashboardApp({ fallbackDir: join(tmpdir(), "mobula-dashboard") });
  const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
  const [bundle, answers, style, icon] = await Promise.all(
    ["main.js", "report_answers.js", "main.css", "icon.svg"].map(read),
  ) as [string, string, string, string];
  const iconUrl = `data:image/svg+xml;base64,${Buffer.from(icon).toString("base64")}`;
  // In a document, a script ends where these words stand, also within its strings.
  const inDocument = (code: string): string => code.replace(/<(?=\/script|script|!--)/gi, "\\x3c");
  const script = inDocument(bundle.replaceAll("./icon.svg", iconUrl));
  const first = inDocument(answers);
  const policy =
    `default-src 'none'; script-src '${hashOf(first)}' '${hashOf(script)}'; style-src '${
      hashOf(style)
    }'; img-src data:; ` +
    "base-uri 'none'; form-action 'none'";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${policy}">
<title>${text(title)} · mobula</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="${iconUrl}">
<style>${style}</style>
</head>
<body>
<div id="app"></div>
<noscript>A report needs JavaScript.</noscript>
<script type="application/octet-stream" id="record">${gzip}</script>
<script type="module">${first}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

function hashOf(content: string): string {
  return `sha256-${createHash("sha256").update(content).digest("base64")}`;
}

function text(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
