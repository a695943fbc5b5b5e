/**
 * `mobula ui`: a link that signs one browser in to the dashboard, once; with --viewer, one for somebody who only looks.
 * @module
 */
import { withHead } from "./head_client.ts";
import { dim, print, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const uiCommand: CommandDefinition = {
  name: "ui",
  summary: "a link to the dashboard that signs one browser in",
  flags: {
    ...COMMON_FLAGS,
    viewer: { type: "boolean", help: "for somebody who looks and can trigger nothing" },
    token: {
      type: "boolean",
      help: "with --viewer: the token that lets viewers' programs in, instead of a link",
    },
  },
  examples: [
    ["mobula ui", "open the link within ten minutes"],
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
    }
    return 0;
  });
}
