/**
 * `mobula ui`: a link that signs one browser in to the dashboard, once; with --viewer, one for somebody who only looks.
 * On a desktop it opens there.
 * @module
 */
import { spawn } from "node:child_process";
import { withHead } from "./head_client.ts";
import { dim, print, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const uiCommand: CommandDefinition = {
  name: "ui",
  summary: "open the dashboard, or print a link that signs one browser in",
  flags: {
    ...COMMON_FLAGS,
    print: { type: "boolean", help: "do not open a browser" },
    viewer: { type: "boolean", help: "for somebody who looks and can trigger nothing" },
    token: {
      type: "boolean",
      help: "with --viewer: the token that lets viewers' programs in, instead of a link",
    },
  },
  examples: [
    ["mobula ui", "opens the browser on a desktop; elsewhere, open the link within ten minutes"],
    ["ssh HOST mobula ui", "with `ssh -L 8265:localhost:8265 HOST`, the link works on this side too"],
    ["mobula ui --viewer", "a link to pass on: it reads, and triggers nothing"],
    ['curl -H "Authorization: Bearer $(mobula ui --viewer --token)" …/api/v1/status', "a program that reads"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const viewer = flags.isSet("viewer");
  return await withHead(flags, async (head) => {
    const { url, viewerToken } = await head.ask("dashboardLink", { viewer });
    if (url === null) throw new Error("this cluster runs without a dashboard");
    if (flags.isSet("token") && !viewer) throw new UsageError("ui: --token needs --viewer");
    // The full role's token is not printed: whoever may have it has its file.
    if (viewer && flags.isSet("token")) print(viewerToken!);
    else if (flags.isSet("json")) printJson({ url, role: viewer ? "viewer" : "full" });
    else {
      print(url);
      print(
        dim(
          `signs one browser in, once, within ten minutes; ${
            viewer ? "it can trigger nothing" : "for full use"
          }`,
        ),
      );
      if (!viewer && !flags.isSet("print")) openBrowser(url);
    }
    return 0;
  });
}

/** Where there is a desktop; without a browser the link is enough. */
function openBrowser(url: string): void {
  if (process.stdout.isTTY !== true) return;
  const hasDesktop = process.platform === "darwin" || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (!hasDesktop) return;
  const opener = process.platform === "darwin" ? "open" : "xdg-open";
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
}
