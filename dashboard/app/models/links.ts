/**
 * Every address of the page, made in one place: an id of any kind leads to its page.
 * @module
 */
import { formatRoute } from "./address.ts";

type Params = Readonly<Record<string, string | null | undefined>>;

/** Addresses by page. */
export const links = {
  now: (params: Params = {}): string => formatRoute("", null, params),
  jobs: (): string => formatRoute("jobs"),
  job: (id: string, params: Params = {}): string => formatRoute("jobs", id, params),
  tasks: (params: Params = {}): string => formatRoute("tasks", null, params),
  task: (id: string, params: Params = {}): string => formatRoute("tasks", id, params),
  /** `job`, and perhaps `group` (expanded) or `task` (its neighbourhood). */
  graph: (params: Params = {}): string => formatRoute("graph", null, params),
  /** `job`, and perhaps `from` and `to` (milliseconds since the epoch). */
  timeline: (params: Params = {}): string => formatRoute("timeline", null, params),
  objects: (params: Params = {}): string => formatRoute("objects", null, params),
  object: (id: string): string => formatRoute("objects", id),
  actors: (params: Params = {}): string => formatRoute("actors", null, params),
  actor: (id: string): string => formatRoute("actors", id),
  nodes: (): string => formatRoute("nodes"),
  node: (id: string): string => formatRoute("nodes", id),
  worker: (id: string): string => formatRoute("workers", id),
  groups: (): string => formatRoute("groups"),
  group: (id: string): string => formatRoute("groups", id),
  logs: (params: Params = {}): string => formatRoute("logs", null, params),
  errors: (params: Params = {}): string => formatRoute("errors", null, params),
  history: (params: Params = {}): string => formatRoute("history", null, params),
  compare: (a: string, b: string): string => formatRoute("history", "compare", { a, b }),
  sql: (params: Params = {}): string => formatRoute("sql", null, params),
} as const;

/** By the id's first letters (runtime/common/ids.ts). A process that is a driver is shown with the workers. */
const BY_PREFIX: Readonly<Record<string, (id: string) => string>> = {
  "t-": links.task,
  "o-": links.object,
  "a-": links.actor,
  "n-": links.node,
  "w-": links.worker,
  "d-": links.worker,
  "j-": links.job,
  "g-": links.group,
};

/** The address of whatever the id names, or null for an id of no kind that has a page. */
export function linkOf(id: string): string | null {
  return BY_PREFIX[id.slice(0, 2)]?.(id) ?? null;
}
