/**
 * The OpenAPI 3.1 document of the state API, made from the tables whose columns make the rows: what it says of an answer is
 * what an answer is. (test/dashboard/openapi.test.ts holds real answers against it.)
 * @module
 */
import type { ColumnInfo, JsonSchema, TableInfo } from "../api/state.ts";
import { JOB_PATHS, JOB_SCHEMAS } from "./openapi_jobs.ts";

type Json = Record<string, unknown>;

const UNITS: Readonly<Record<string, string>> = {
  ms: "Milliseconds.",
  time: "Milliseconds since the epoch.",
  bytes: "Bytes.",
};
const FILTERS =
  "AND-ed: `column op value`, op one of = != < > <= >= and ~ (contains, letter case aside). A value may have its column's unit: " +
  "`durationMs>1.5s`, `bytes>=64MiB`, `startMs>2026-01-31T10:00:00Z`.";
const COUNT: JsonSchema = { type: "integer" };

export function openApiDocument(tables: readonly TableInfo[], version: string): Json {
  const listed = Object.assign({}, ...tables.map(pathsOf)) as Json;
  return {
    openapi: "3.1.0",
    info: {
      title: "mobula state API",
      version,
      description:
        "What the cluster is and does. Every answer says how many rows there are in all and how many are no " +
        "longer in memory. Times are milliseconds since the epoch.",
    },
    servers: [{ url: "../..", description: "Where this document was found, two levels up." }],
    security: [{ token: [] }],
    paths: {
      ...listed,
      "/api/v1/state/{id}": statePath(tables),
      "/api/v1/trace/{id}": tracePath(),
      ...JOB_PATHS,
      // Read as rows, and written to.
      "/api/v1/jobs": { ...listed["/api/v1/jobs"] as Json, ...JOB_PATHS["/api/v1/jobs"] as Json },
      "/api/v1/openapi.json": {
        get: operation("openapi", "This document.", [], { type: "object" }),
      },
    },
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "The cluster's token, or a browser's session.",
        },
      },
      schemas: {
        ...Object.assign({}, ...tables.map(schemasOf)) as Json,
        ...JOB_SCHEMAS,
        Error: object({ error: object({ code: { type: "string" }, message: { type: "string" } }) }),
      },
    },
  };
}

/** `placement-groups` is `PlacementGroups`. */
function nameOf({ kind }: TableInfo): string {
  return kind.split("-").map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}

function pathsOf(table: TableInfo): Json {
  const name = nameOf(table);
  const filter = repeated("filter", FILTERS);
  const list = operation(`list${name}`, `Rows, newest first: ${table.about}`, [
    filter,
    parameter("limit", "Rows in the answer; as NDJSON without a limit unless one is given.", {
      type: "integer",
      minimum: 1,
      maximum: 10_000,
      default: 100,
    }),
    parameter("after", "`next` of the answer before.", { type: "string" }),
    parameter("detail", "Also the columns that are long or seldom wanted.", {
      type: "string",
      enum: ["0", "1"],
    }),
  ], reference(`${name}List`));
  ndjson(list, reference(`${name}Row`));
  return {
    [`/api/v1/${table.kind}`]: { get: list },
    [`/api/v1/summary/${table.kind}`]: {
      get: operation(`summarize${name}`, "Rows counted by columns, the largest group first.", [
        repeated(
          "by",
          `Columns, also joined by commas; ${table.by.join(",")} by default, one group for none.`,
        ),
        filter,
      ], reference(`${name}Summary`)),
    },
  };
}

function schemasOf(table: TableInfo): Json {
  const name = nameOf(table);
  const row = object(
    Object.fromEntries(table.columns.map((column) => [column.name, columnSchema(column)])),
    table.columns.filter(({ detail }) => !detail).map((column) => column.name),
  );
  const all = [...table.columns, ...table.ofOne];
  const measured = table.columns.filter((column) => column.measured);
  const groups = Object.fromEntries(table.columns.map((column) => [column.name, columnSchema(column)]));
  const sums = Object.fromEntries(measured.map((column) => [column.name, sumSchema(column)]));
  const dropped = { ...COUNT, description: "Rows that are no longer in memory." };
  return {
    [`${name}Row`]: { ...row, description: table.about },
    [`${name}State`]: {
      ...object(Object.fromEntries(all.map((column) => [column.name, columnSchema(column)]))),
      description: `${table.about} All columns.`,
    },
    [`${name}List`]: object({
      rows: { type: "array", items: reference(`${name}Row`) },
      total: { ...COUNT, description: "Rows that the filters let through." },
      next: {
        type: ["string", "null"],
        description: "Pass it as `after` for the rows that follow; null at the end.",
      },
      dropped,
    }),
    [`${name}Summary`]: object({
      rows: {
        type: "array",
        items: object({ ...groups, count: COUNT, ...sums }, [
          "count",
          ...measured.map((column) => column.name),
        ]),
      },
      total: { ...COUNT, description: "The sum of all counts." },
      ungrouped: {
        ...COUNT,
        description: "Rows whose group was left out, because there were too many groups.",
      },
      dropped,
    }),
  };
}

function columnSchema({ schema, about, unit }: ColumnInfo): JsonSchema {
  return { ...schema, description: unit === null ? about : `${about} ${UNITS[unit]}` };
}

function sumSchema({ name, unit }: ColumnInfo): Json {
  const number = { type: "number" };
  return {
    ...object({ count: COUNT, sum: number, mean: number, min: number, max: number }),
    type: ["object", "null"],
    description: `Of ${name}, where it is a number.${unit === null ? "" : ` ${UNITS[unit]}`}`,
  };
}

function statePath(tables: readonly TableInfo[]): Json {
  const rows = { type: "array", items: { anyOf: tables.map((table) => reference(`${nameOf(table)}State`)) } };
  const get = operation(
    "getState",
    "All that is known of one id; a task has a row for each attempt. Of an object all nodes are asked who holds it.",
    [inPath(
      "id",
      "Of a task (t-…), actor (a-…), object (o-…), node (n-…), worker (w-…), job (j-…) or group (g-…).",
    )],
    object({ id: { type: "string" }, rows }),
  );
  return { get: notFound(get) };
}

function tracePath(): Json {
  const text = { type: "string" };
  const orNull = { type: ["string", "null"] };
  const step = object({
    taskId: text,
    journey: { type: "string", enum: ["submit", "get"] },
    step: COUNT,
    name: text,
    nodeId: orNull,
    processId: orNull,
    atMs: { type: "number" },
    detail: text,
  });
  const get = operation(
    "trace",
    "The steps that a task really took, in order.",
    [inPath("id", "A task.")],
    object({ taskId: text, steps: { type: "array", items: step } }),
  );
  return { get: notFound(get) };
}

function operation(operationId: string, summary: string, parameters: readonly Json[], schema: Json): Json {
  return {
    ...{ operationId, summary, parameters },
    responses: {
      "200": { description: "The answer.", content: { "application/json": { schema } } },
      "400": refusal(
        "What is wrong with the question: an unknown column is answered with those that there are.",
      ),
      "401": refusal("Neither token nor session."),
    },
  };
}

function ndjson(list: Json, schema: Json): void {
  const ok = (list["responses"] as Record<string, Json>)["200"]!;
  (ok["content"] as Json)["application/x-ndjson"] = { schema };
  const count = (description: string): Json => ({ description, schema: COUNT });
  ok["headers"] = {
    "mobula-total": count("With NDJSON: rows that the filters let through."),
    "mobula-dropped": count("With NDJSON: rows that are no longer in memory."),
  };
}

function notFound(get: Json): Json {
  (get["responses"] as Json)["404"] = refusal("It is not known (any more).");
  return get;
}

function refusal(description: string): Json {
  return { description, content: { "application/json": { schema: reference("Error") } } };
}

function parameter(name: string, description: string, schema: Json): Json {
  return { name, in: "query", description, schema };
}

function repeated(name: string, description: string): Json {
  return {
    ...parameter(name, description, { type: "array", items: { type: "string" } }),
    style: "form",
    explode: true,
  };
}

function inPath(name: string, description: string): Json {
  return { name, in: "path", required: true, description, schema: { type: "string" } };
}

function object(properties: Json, required: readonly string[] = Object.keys(properties)): Json {
  return { type: "object", properties, required, additionalProperties: false };
}

function reference(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}
