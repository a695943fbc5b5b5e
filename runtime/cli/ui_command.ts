/**
 * `mobula ui`: a link that signs one browser in, and that browser where there is one.
 * @module
 */
import { spawn } from "node:child_process";
import { withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments } from "./usage.ts";

export const uiCommand: CommandDefinition = {
  name: "ui",
  summary: "open the dashboard, or print its link",
  flags: { ...COMMON_FLAGS, print: { type: "boolean", help: "only print the link" } },
  examples: [
    ["mobula ui", "opens the browser on a desktop; prints the link anywhere"],
    ["ssh HOST mobula ui --print", "with `ssh -L 8265:localhost:8265 HOST`, the link works on this side too"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const { url } = await withHead(flags, (head) => head.ask("dashboardLink", {}));
  if (flags.isSet("json")) printJson({ url });
  else if (url !== null) print(url);
  if (url === null) {
    process.stderr.write("mobula: this cluster has no dashboard\n");
    return 1;
  }
  const opener = openerHere();
  if (opener === null || flags.isSet("print") || flags.isSet("json")) return 0;
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  // Without a browser the link is enough.
  child.on("error", () => undefined);
  child.unref();
  return 0;
}

/** What opens links on this desktop; null where there is none. */
function openerHere(): string | null {
  if (process.stdout.isTTY !== true) return null;
  if (process.platform === "darwin") return "open";
  return process.env.DISPLAY || process.env.WAYLAND_DISPLAY ? "xdg-open" : null;
}
