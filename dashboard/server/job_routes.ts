/**
 * Submitted jobs over HTTP. Whoever may submit runs code in the cluster: that takes the cluster's token in the
 * Authorization header, never a browser's cookie. Reading is for everybody who is signed in.
 *
 *   POST /api/v1/jobs                 {"program":"app.ts","files":{"app.ts":"…"},…} -> 201 {"submissionId":…}
 *   GET  /api/v1/submissions          all that are remembered, the newest first
 *   GET  /api/v1/jobs/:id             one of them; ?waitMs= until it has ended, at most so long
 *   GET  /api/v1/jobs/:id/logs        what it printed; ?follow=1 until it has ended; ?stream=stdout|stderr only that
 *   POST /api/v1/jobs/:id/stop        {"stopped":true}; false when it has ended already
 * @module
 */
import type { Context, Hono } from "hono";
import type { OutputPiece, OutputPlace } from "../../runtime/protocol/submission_messages.ts";
import type { SubmissionRow } from "../../runtime/common/submission.ts";
import type { Auth } from "./auth.ts";
import { refuse } from "./guard.ts";

/** A description with files in it; larger folders go up by the command line. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Readers that follow, at once. */
const FOLLOWERS_MAX = 200;
const WAIT_MS = 10_000;
const WAIT_MS_MAX = 30_000;

/** What the routes need of the head. Its errors have codes: NoSuchJob, EXISTS, FULL, OutputGone. */
export interface JobService {
  /** `files`, by path, are packed into the folder that the program runs in. */
  submit(job: unknown, files: Readonly<Record<string, string>> | null): Promise<{ submissionId: string }>;
  stop(submissionId: string): Promise<{ stopped: boolean }>;
  rows(): readonly SubmissionRow[];
  row(submissionId: string, waitMs: number): Promise<SubmissionRow | null>;
  output(
    submissionId: string,
    place: OutputPlace,
    waitMs: number,
  ): Promise<{ result: OutputPiece; sections: readonly Uint8Array[] }>;
}

/** Add the routes; the guard has let their callers in. */
export function addJobRoutes(app: Hono, jobs: JobService, auth: Auth): void {
  let followers = 0;
  app.post("/api/v1/jobs", async (c) => {
    const refusal = withoutToken(c, auth);
    if (refusal !== null) return refusal;
    const body = await bodyOf(c);
    if (body instanceof Response) return body;
    return await answered(c, async () => {
      const { files = null, ...job } = body;
      return c.json(await jobs.submit(job, files as Record<string, string> | null), 201);
    });
  });
  app.post("/api/v1/jobs/:id/stop", async (c) => {
    const refusal = withoutToken(c, auth);
    return refusal ?? await answered(c, async () => c.json(await jobs.stop(c.req.param("id"))));
  });
  app.get("/api/v1/submissions", (c) => c.json({ rows: jobs.rows() }));
  app.get("/api/v1/jobs/:id", (c) =>
    answered(c, async () => {
      const id = c.req.param("id");
      const row = await jobs.row(id, waitMsOf(c));
      return row === null ? unknownJob(c, id) : c.json(row);
    }));
  app.get("/api/v1/jobs/:id/logs", (c) =>
    answered(c, async () => {
      const id = c.req.param("id");
      if (await jobs.row(id, 0) === null) return unknownJob(c, id);
      const stream = c.req.query("stream") ?? "both";
      if (stream !== "both" && stream !== "stdout" && stream !== "stderr") {
        throw new RangeError(`stream is stdout or stderr, not ${JSON.stringify(stream.slice(0, 40))}`);
      }
      if (followers >= FOLLOWERS_MAX) {
        return refuse(c, 503, "TOO_MANY_STREAMS", `${FOLLOWERS_MAX} logs are followed already`);
      }
      followers++;
      const follow = c.req.query("follow") !== undefined && c.req.query("follow") !== "0";
      const body = outputStream(jobs, id, stream, follow, () => followers--);
      return new Response(body, {
        headers: { "content-type": "text/plain; charset=utf-8", "x-accel-buffering": "no" },
      });
    }));
}

/** Reads on only as fast as the client takes it. */
function outputStream(
  jobs: JobService,
  id: string,
  stream: "both" | "stdout" | "stderr",
  follow: boolean,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  let place: OutputPlace = { out: 0, err: 0 };
  let isOpen = true;
  const end = (): void => {
    if (isOpen) onEnd();
    isOpen = false;
  };
  return new ReadableStream({
    async pull(controller) {
      try {
        while (isOpen) {
          const { result, sections } = await jobs.output(id, place, follow ? WAIT_MS : 0);
          const [out, err] = sections;
          const wanted = [stream === "stderr" ? undefined : out, stream === "stdout" ? undefined : err]
            .filter((bytes) => bytes !== undefined && bytes.length > 0);
          const hasMore = result.out > place.out || result.err > place.err;
          place = { out: result.out, err: result.err };
          if (!isOpen) return;
          for (const bytes of wanted) controller.enqueue(bytes!.slice());
          if (result.isOver || (!follow && !hasMore)) {
            end();
            return controller.close();
          }
          if (wanted.length > 0) return;
        }
      } catch (error) {
        end();
        controller.error(error);
      }
    },
    cancel: end,
  });
}

function withoutToken(c: Context, auth: Auth): Response | null {
  if (auth.roleOfBearer(c.req.header("authorization")) === "full") return null;
  return refuse(
    c,
    403,
    "TOKEN_REQUIRED",
    "jobs are submitted and stopped with the cluster's token: Authorization: Bearer TOKEN",
  );
}

async function bodyOf(c: Context): Promise<Record<string, unknown> | Response> {
  const declared = Number(c.req.header("content-length") ?? "0");
  const text = declared > BODY_BYTES_MAX ? null : await limitedText(c.req.raw);
  if (text === null) {
    return refuse(
      c,
      400,
      "TOO_LARGE",
      `the body has more than ${BODY_BYTES_MAX} bytes; \`mobula job submit\` sends larger folders`,
    );
  }
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Refused below.
  }
  return refuse(c, 400, "BAD_REQUEST", "the body must be a JSON object");
}

/** Null when there is more than the limit. */
async function limitedText(request: Request): Promise<string | null> {
  if (request.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The head's errors as answers. */
async function answered(c: Context, act: () => Promise<Response>): Promise<Response> {
  try {
    return await act();
  } catch (error) {
    const { code = "", message } = error as Error & { code?: string };
    if (code === "NoSuchJob") return unknownJob(c, c.req.param("id") ?? "");
    if (code === "OutputGone") return refuse(c, 404, "OUTPUT_GONE", message);
    const isWrong = error instanceof TypeError || error instanceof RangeError || code === "EXISTS" ||
      code === "FULL" || code === "RuntimeEnvSetupError";
    if (isWrong) return refuse(c, 400, code === "" ? "BAD_REQUEST" : code, message);
    throw error;
  }
}

function unknownJob(c: Context, id: string): Response {
  return refuse(c, 404, "NOT_FOUND", `job ${JSON.stringify(id.slice(0, 100))} does not exist`);
}

function waitMsOf(c: Context): number {
  const text = c.req.query("waitMs");
  if (text === undefined) return 0;
  const value = Number(text);
  if (text === "" || !(value >= 0)) {
    throw new RangeError(`waitMs must be a number of milliseconds, is ${JSON.stringify(text.slice(0, 40))}`);
  }
  return Math.min(value, WAIT_MS_MAX);
}
