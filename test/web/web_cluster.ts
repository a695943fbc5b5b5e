/**
 * A started cluster for drivers that come by its HTTP port, and bundles of programs for them.
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CliSession } from "../support/cli.ts";
import type { Runtime } from "../support/run_program.ts";

const programs = join(import.meta.dirname, "programs");

/** A program of this folder as one file for a browser: minified, as pages have it. */
export async function bundleFor(program: string, format: "iife" | "esm"): Promise<string> {
  const result = await Bun.build({
    entrypoints: [join(programs, program)],
    target: "browser",
    minify: true,
    format,
  });
  return await result.outputs[0]!.text();
}

/** See the module's header. */
export class WebCluster {
  readonly session: CliSession = new CliSession();
  url: string = "";
  token: string = "";

  /** `origins`: sites whose pages may be drivers. */
  async start(options: { runtime?: Runtime; origins?: string } = {}): Promise<void> {
    const { runtime = "bun", origins = "" } = options;
    const { code, out, error } = await this.session.mobula(
      ["start", "--head", "--port", "0", "--dashboard-port", "0", "--num-cpus", "2", "--runtime", runtime]
        .concat(["--object-store-bytes", "134217728", "--json"]),
      { env: { MOBULA_WEB_ORIGINS: origins } },
    );
    if (code !== 0) throw new Error(`mobula start exited with ${code}: ${error}`);
    this.url = (JSON.parse(out) as { dashboardUrl: string }).dashboardUrl;
    this.token = readFileSync(join(this.session.sessionDir, "token"), "utf8").trim();
  }

  /** Rows of `mobula ls KIND`. */
  async rows(kind: string): Promise<Record<string, unknown>[]> {
    const answer = await this.session.json<unknown>("ls", kind);
    return (Array.isArray(answer) ? answer : (answer as { rows: unknown }).rows) as Record<string, unknown>[];
  }

  async end(): Promise<void> {
    await this.session.end();
  }
}
