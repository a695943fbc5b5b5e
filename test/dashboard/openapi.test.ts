/**
 * The OpenAPI document: valid by its own standard, and true of real answers of every kind.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import {
  get,
  getState,
  type HandleOf,
  init,
  listActors,
  listJobs,
  listNodes,
  listTasks,
  listWorkers,
  type ObjectRef,
  placementGroup,
  put,
  ready,
  release,
  remote,
  shutdown,
  summarize,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { LIST_KINDS } from "../../dashboard/server/queries/lists.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

type Json = Record<string, unknown>;

const leftovers = watchLeftovers();
let url = "";
let token = "";
let document: Json;
let kept: ObjectRef<Uint8Array>;
let gate: HandleOf<typeof Signal>;

const add = remote((a: number, b: number) => a + b, { numCpus: 0 });

/** A cluster in which something of every kind is there. */
beforeAll(async () => {
  const cluster = await init({ numCpus: 2, objectStoreBytes: 32 << 20 });
  url = cluster.dashboardUrl!;
  token = currentDriver()!.local!.token;
  gate = Signal.options({ name: "gate", resources: {} }).remote();
  await ready(gate);
  kept = await put(new Uint8Array(1 << 20));
  const failing = remote(() => {
    throw new RangeError("not today");
  }, { numCpus: 0, maxRetries: 0 });
  await rejection(get(failing.remote()));
  expect(await get([add.remote(1, 2), add.options({ labelSelector: { "!gpu": "!x" } }).remote(3, 4)]))
    .toEqual([3, 7]);
  const group = await placementGroup([{ CPU: 1 }], { name: "pg" });
  await get(group.ready());
  await waitFor("their rows are there", async () => (await listTasks({ filters: ["name~add"] })).total === 2);
  document = await (await ask("openapi.json")).json() as Json;
});
afterAll(async () => {
  release(gate);
  await shutdown();
  await leftovers.check();
});

function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(new URL(`api/v1/${path}`, url), { headers: { authorization: `Bearer ${token}`, ...headers } });
}

/** The schema that the document gives for an answer, with references resolved by the validator. */
function schemaOf(path: string, status = "200", type = "application/json"): Json {
  const paths = document["paths"] as Record<string, { get: { responses: Record<string, Json> } }>;
  const { schema } =
    (paths[path]!.get.responses[status]!["content"] as Record<string, { schema: Json }>)[type]!;
  return { ...schema, components: document["components"] };
}

function expectMatch(schema: Json, answer: unknown): void {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const isValid = ajv.validate(schema, answer);
  expect(ajv.errorsText(isValid ? null : ajv.errors), JSON.stringify(answer).slice(0, 2_000)).toBe(
    "No errors",
  );
}

test("is a valid document of OpenAPI 3.1", async () => {
  const validator = new Validator();
  const result = await validator.validate(document);
  expect(JSON.stringify(result.errors ?? [])).toBe("[]");
  expect([result.valid, validator.version]).toEqual([true, "3.1"]);
});

describe("real answers match it", () => {
  for (const kind of LIST_KINDS) {
    test(kind, async () => {
      for (const detail of ["0", "1"]) {
        const answer = await (await ask(`${kind}?detail=${detail}&limit=500`)).json() as { rows: Json[] };
        expect(answer.rows.length).toBeGreaterThan(0);
        expectMatch(schemaOf(`/api/v1/${kind}`), answer);
      }
      const lines = await (await ask(kind, { accept: "application/x-ndjson" })).text();
      for (const line of lines.trimEnd().split("\n")) {
        expectMatch(schemaOf(`/api/v1/${kind}`, "200", "application/x-ndjson"), JSON.parse(line));
      }
      for (const by of ["", "?by="]) {
        expectMatch(schemaOf(`/api/v1/summary/${kind}`), await (await ask(`summary/${kind}${by}`)).json());
      }
      const row = ((await (await ask(`${kind}?limit=1`)).json()) as { rows: Json[] }).rows[0]!;
      const id = Object.values(row)[0] as string;
      const { rows } = await (await ask(`state/${id}`)).json() as { rows: Json[] };
      const name = kind.split("-").map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
      const alone = { $ref: `#/components/schemas/${name}State`, components: document["components"] };
      for (const one of rows) expectMatch(alone, one);
    });
  }

  test("a submitted job, what is asked for and what is answered", async () => {
    const paths = document["paths"] as Record<string, Record<string, { responses: Record<string, Json> }>>;
    const schema = (path: string, method: string, status: string): Json => {
      const content = paths[path]![method]!.responses[status]!["content"] as Record<string, { schema: Json }>;
      return { ...content["application/json"]!.schema, components: document["components"] };
    };
    const post = (path: string, body: unknown, bearer = token) =>
      fetch(new URL(`api/v1/${path}`, url), {
        method: "POST",
        headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const job = { program: "a.js", files: { "a.js": "console.log('x')" }, metadata: { team: "blue" } };
    expectMatch({ $ref: "#/components/schemas/JobRequest", components: document["components"] }, job);
    const submitted = await post("jobs", job);
    const { submissionId } = await submitted.clone().json() as { submissionId: string };
    expectMatch(schema("/api/v1/jobs", "post", "201"), await submitted.json());
    const one = await (await ask(`jobs/${submissionId}?waitMs=10000`)).json() as { state: string };
    expect(one.state).toBe("SUCCEEDED");
    expectMatch(schema("/api/v1/jobs/{id}", "get", "200"), one);
    expectMatch(schema("/api/v1/submissions", "get", "200"), await (await ask("submissions")).json());
    expectMatch(
      schema("/api/v1/jobs/{id}/stop", "post", "200"),
      await (await post(`jobs/${submissionId}/stop`, {})).json(),
    );
    expectMatch(schema("/api/v1/jobs", "post", "400"), await (await post("jobs", { colour: 1 })).json());
    expectMatch(schema("/api/v1/jobs/{id}", "get", "404"), await (await ask("jobs/nobody")).json());
  });

  test("a trace and refusals", async () => {
    const [row] = await listTasks({ filters: ["name~add"], limit: 1 });
    const id = row!["taskId"] as string;
    expectMatch(schemaOf("/api/v1/trace/{id}"), await (await ask(`trace/${id}`)).json());
    expectMatch(schemaOf("/api/v1/tasks", "400"), await (await ask("tasks?filter=x%3D1")).json());
    expectMatch(schemaOf("/api/v1/state/{id}", "404"), await (await ask("state/n-0000")).json());
    const unknown = await fetch(new URL("api/v1/tasks", url));
    expectMatch(schemaOf("/api/v1/tasks", "401"), await unknown.json());
  });

  test("what is not so does not match", async () => {
    const schema = schemaOf("/api/v1/nodes");
    const answer = await (await ask("nodes")).json() as { rows: Json[] };
    const ajv = new Ajv2020({ strict: false });
    expect(ajv.validate(schema, { ...answer, rows: [{ ...answer.rows[0], extra: 1 }] })).toBe(false);
    expect(ajv.validate(schema, { ...answer, rows: [{ ...answer.rows[0], state: "GONE" }] })).toBe(false);
    const { total: _, ...rest } = answer as Json;
    expect(ajv.validate(schema, rest)).toBe(false);
  });
});

describe("the library gives the same rows", () => {
  test("with the total, the next page's key and what was dropped", async () => {
    const first = await listTasks({ filters: ["name~add"], limit: 1 });
    expect([first.length, first.total, first.dropped]).toEqual([1, 2, 0]);
    const second = await listTasks({ filters: ["name~add"], limit: 1, after: first.next! });
    expect([second.length, second.next]).toEqual([1, null]);
    expect(second[0]!["taskId"]).not.toBe(first[0]!["taskId"]);
    expect(JSON.parse(JSON.stringify(first))).toEqual([...first]);
    const { rows } = await (await ask("tasks?filter=name~add&limit=1")).json() as { rows: Json[] };
    expect(rows).toEqual([...first]);
  });

  test("of every kind, and summaries", async () => {
    const lengths = [await listNodes(), await listWorkers(), await listJobs(), await listActors()].map((
      rows,
    ) => rows.length > 0);
    expect(lengths).toEqual([true, true, true, true]);
    const byName = await summarize("tasks", { by: ["name", "state"], filters: ["name~add"] });
    expect([...byName]).toMatchObject([{
      name: "add",
      state: "FINISHED",
      count: 2,
      durationMs: { count: 2 },
    }]);
    expect([byName.total, byName.ungrouped, byName.dropped]).toEqual([2, 0, 0]);
    expect(await getState(kept.id)).toMatchObject([{ objectId: kept.id, state: "IN_MEMORY" }]);
  });

  test("OBS-02 wrong filters, columns and kinds are refused, with the known ones named", async () => {
    const of = async (asked: Promise<unknown>) => {
      const { name, message } = await rejection(asked);
      return `${name}: ${message}`;
    };
    expect(await of(listTasks({ filters: ["name>a"] }))).toContain("RangeError: filter");
    expect(await of(listTasks({ filters: ["nonsense=1"] }))).toContain("there are taskId, attempt");
    expect(await of(listTasks({ limit: 0 }))).toContain("RangeError: limit");
    expect(await of(listTasks({ timeout: 0 } as never))).toContain("TypeError");
    expect(await of(summarize("tusks" as never))).toContain("list tasks, actors, objects");
    expect(await of(summarize("tasks", { by: ["nonsense"] }))).toContain("there are taskId, attempt");
  });
});
