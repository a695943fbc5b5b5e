/**
 * Commands: what may trigger something, as opposed to queries. Each is `POST /api/v1/<name>` with a JSON object as its body;
 * that only the full role gets here, and no other site, is the guard's work (guard.ts).
 * @module
 */
import type { Context, Hono } from "hono";
import { refuse } from "../guard.ts";
import type { QueryServices } from "../queries/query.ts";
import { SQL_COMMAND } from "./sql.ts";

/** Bytes of a body. */
export const BODY_BYTES_MAX: number = 256 * 1024;

export interface Command {
  /** Path below /api/v1/. */
  readonly name: string;
  /**
   * What it answers: anything that JSON can say.
   * @throws RangeError for a body that cannot be meant (400), NotFound for what is not there (404).
   */
  run(body: Readonly<Record<string, unknown>>, services: QueryServices): unknown;
}

const ALL: readonly Command[] = [SQL_COMMAND];

/** Serve all commands. */
export function addCommands(
  app: Hono,
  services: QueryServices,
  commands: readonly Command[] = ALL,
): void {
  for (const { name, run } of commands) {
    app.post(`/api/v1/${name}`, async (c) => {
      const type = (c.req.header("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
      if (type !== "application/json") {
        return refuse(
          c,
          415,
          "UNSUPPORTED_MEDIA_TYPE",
          "the body must be JSON: content-type: application/json",
        );
      }
      const text = await bodyText(c);
      if (text === null) {
        return refuse(c, 413, "BODY_TOO_LARGE", `a body has at most ${BODY_BYTES_MAX} bytes`);
      }
      return c.json(await run(bodyObject(text), services) as object);
    });
  }
}

/** Null when it is too large. */
async function bodyText(c: Context): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function bodyObject(text: string): Readonly<Record<string, unknown>> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`the body is no JSON: ${(error as Error).message}`);
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    return body as Record<string, unknown>;
  }
  throw new RangeError("the body must be a JSON object");
}
