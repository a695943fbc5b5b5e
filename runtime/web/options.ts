/**
 * The options of init() in a page.
 * @module
 */
import { checkInitOptions } from "../common/options.ts";
import type { InitOptions } from "../common/public_types.ts";

/** How a page finds its cluster and who it is. */
export interface WebInitOptions extends Pick<InitOptions, "namespace" | "runtimeEnv" | "logToDriver"> {
  /** Where the dashboard is: "http://HOST:PORT/". Default, in a page: where the page is from. */
  url?: string | URL;
  /** The cluster's token. It gives everything that the cluster can do: only pages of trusted people may have it. */
  token: string;
  /** Default: "websocket" where there is one, else "fetch". */
  transport?: "websocket" | "fetch";
}

const OWN: readonly string[] = ["url", "token", "transport"];
const SHARED: readonly string[] = ["namespace", "runtimeEnv", "logToDriver"];

/** The address. TypeError for an unknown option, a wrong one, and what needs files. */
export function checkWebOptions(options: unknown): URL {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("init() in a page takes its options: { url, token }");
  }
  const shared: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (SHARED.includes(name)) shared[name] = value;
    else if (!OWN.includes(name)) {
      throw new TypeError(`Unknown option ${name}; known in a page: ${[...OWN, ...SHARED].join(", ")}`);
    }
  }
  checkInitOptions(shared);
  const { url, token, transport, runtimeEnv } = options as WebInitOptions;
  if (typeof token !== "string" || token === "") {
    throw new TypeError("Option token must be the cluster's token, a text that is not empty");
  }
  if (transport !== undefined && transport !== "websocket" && transport !== "fetch") {
    throw new TypeError('Option transport must be "websocket" or "fetch"');
  }
  if (runtimeEnv !== undefined && "workingDir" in runtimeEnv) {
    throw new TypeError("Option runtimeEnv.workingDir needs files, and a page has none");
  }
  return parseUrl(url);
}

function parseUrl(given: string | URL | undefined): URL {
  const here = (globalThis as { location?: { origin?: string } }).location?.origin;
  const text = given === undefined ? here : String(given);
  if (text === undefined || text === "null") {
    throw new TypeError("Option url must be the address of the cluster's dashboard: http://HOST:PORT/");
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^(https?|wss?):$/.test(url.protocol)) {
    throw new TypeError(
      `Option url must be like http://HOST:PORT/, is ${JSON.stringify(text.split("?", 1)[0])}`,
    );
  }
  // A link with a ticket signs a browser in; it is nothing for here, and no address may carry a secret.
  url.search = "";
  url.hash = "";
  url.username = "";
  url.password = "";
  url.protocol = url.protocol.replace("ws", "http");
  return url;
}
