/**
 * The part of the OpenAPI document that describes submitted jobs (job_routes.ts).
 * @module
 */

type Json = Record<string, unknown>;

const TEXT: Json = { type: "string" };
const TEXT_OR_NULL: Json = { type: ["string", "null"] };
const WHOLE: Json = { type: "integer" };
const WHOLE_OR_NULL: Json = { type: ["integer", "null"] };
const TEXTS: Json = { type: "object", additionalProperties: TEXT };
const RUNTIME: Json = { type: ["string", "null"], enum: ["bun", "deno", "node", null] };
const TOKEN_ONLY =
  "With the cluster's own token in the Authorization header: neither a browser's session nor a viewer's token will do.";

/** Schemas, by name. */
export const JOB_SCHEMAS: Json = {
  SubmittedJob: closed({
    submissionId: TEXT,
    state: { type: "string", enum: ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"] },
    message: about(TEXT, "Why it is in this state: of a failure, the program's last words too."),
    entrypoint: about(TEXT, "The command line, for people."),
    runtime: about(RUNTIME, "Null: the node's own."),
    workingDir: about(TEXT_OR_NULL, "Hash of the folder that it runs in."),
    metadata: TEXTS,
    nodeId: about(TEXT_OR_NULL, "Where it runs; null while no node will do."),
    pid: WHOLE_OR_NULL,
    jobId: about(TEXT_OR_NULL, "Its driver's job, once that has said hello to the cluster."),
    exitCode: about(WHOLE_OR_NULL, "Null after a signal, and when nobody saw it end."),
    signal: TEXT_OR_NULL,
    submittedMs: WHOLE,
    startedMs: WHOLE_OR_NULL,
    endedMs: WHOLE_OR_NULL,
  }),
  JobRequest: {
    ...closed({
      program: about(TEXT, "A file of the folder, relative to it."),
      args: { type: "array", items: TEXT },
      files: about(TEXTS, "The folder itself: texts by path. Or:"),
      workingDir: about(TEXT, "The hash of a folder that was sent before (`mobula job submit` does)."),
      submissionId: about(TEXT, "Default: a fresh one. Taken ids are refused."),
      runtime: { type: "string", enum: ["bun", "deno", "node"] },
      env: about(TEXTS, "Variables of the program and of its tasks."),
      metadata: about(TEXTS, "job_name and job_submission_id are the id unless given."),
      nodeId: about(TEXT, "Default: the head's node."),
      modules: about(TEXT, "A node_modules folder for its imports, where the node has one at this path."),
    }),
    required: ["program"],
  },
};

/** Paths, by address. */
export const JOB_PATHS: Json = {
  "/api/v1/jobs": {
    post: {
      ...operation("submitJob", `Run a program in the cluster. ${TOKEN_ONLY}`, [], {
        "201": json("Submitted.", closed({ submissionId: TEXT })),
        "400": refusal("What is wrong with it: an unknown field, a taken id, a path that leaves the folder."),
        "403": refusal("Not with the cluster's token."),
      }),
      requestBody: {
        required: true,
        content: { "application/json": { schema: { $ref: "#/components/schemas/JobRequest" } } },
      },
    },
  },
  "/api/v1/submissions": {
    get: operation("listSubmittedJobs", "Submitted jobs, the newest first.", [], {
      "200": json("The answer.", closed({ rows: { type: "array", items: jobReference() } })),
    }),
  },
  "/api/v1/jobs/{id}": {
    get: operation("getSubmittedJob", "One submitted job.", [
      idInPath(),
      inQuery("waitMs", "Answer when it has ended, or after so long (30 s at most).", {
        type: "integer",
        minimum: 0,
      }),
    ], {
      "200": json("The answer.", jobReference()),
      "404": refusal("There is no such job."),
    }),
  },
  "/api/v1/jobs/{id}/logs": {
    get: operation("getSubmittedJobLogs", "What it printed, byte for byte, from the beginning.", [
      idInPath(),
      inQuery("follow", "1: go on until it has ended.", { type: "string", enum: ["0", "1"] }),
      inQuery("stream", "Only this one; default: both, as they come.", {
        type: "string",
        enum: ["stdout", "stderr"],
      }),
    ], {
      "200": { description: "The text.", content: { "text/plain": { schema: TEXT } } },
      "404": refusal("There is no such job, or its output is not kept any more."),
    }),
  },
  "/api/v1/jobs/{id}/stop": {
    post: operation("stopSubmittedJob", `SIGTERM to all of its processes, SIGKILL after 3 s. ${TOKEN_ONLY}`, [
      idInPath(),
    ], {
      "200": json(
        "False: it had ended already, or was being stopped.",
        closed({ stopped: { type: "boolean" } }),
      ),
      "403": refusal("Not with the cluster's token."),
      "404": refusal("There is no such job."),
    }),
  },
};

function jobReference(): Json {
  return { $ref: "#/components/schemas/SubmittedJob" };
}

function idInPath(): Json {
  return { name: "id", in: "path", required: true, description: "A submissionId.", schema: TEXT };
}

function operation(operationId: string, summary: string, parameters: readonly Json[], responses: Json): Json {
  return {
    operationId,
    summary,
    parameters,
    responses: { ...responses, "401": refusal("Neither token nor session.") },
  };
}

function json(description: string, schema: Json): Json {
  return { description, content: { "application/json": { schema } } };
}

function refusal(description: string): Json {
  return json(description, { $ref: "#/components/schemas/Error" });
}

function inQuery(name: string, description: string, schema: Json): Json {
  return { name, in: "query", description, schema };
}

function about(schema: Json, description: string): Json {
  return { ...schema, description };
}

function closed(properties: Json): Json {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}
