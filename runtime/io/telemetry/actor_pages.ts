/**
 * Pages of actors, filtered and sorted here, for lists that may hold a hundred thousand. Without filter, the newest are known
 * already; otherwise all are looked at, a few thousand at a time, so that nothing else waits, and only the page's rows are made.
 * @module
 */
import type { ActorDto } from "../../../dashboard/api_types.ts";
import type { PageOf } from "../../../dashboard/api/entities.ts";
import { type ActorFacts, type ActorRows, restartsOf } from "./actor_rows.ts";
import { type Filter, matches, parseFilters } from "./filters.ts";

/** Rows of one page at most. */
export const ACTORS_PAGE_MAX: number = 200;
/** Actors that are looked at before others get their turn: about a millisecond. */
const SLICE = 2_000;
const TEXT_LENGTH_MAX = 200;

type Value = string | number | boolean | null;

/** What can be filtered and sorted by. */
const COLUMNS: Readonly<Record<string, (actor: ActorFacts) => Value>> = {
  actorId: ({ status }) => status.actorId,
  className: ({ spec }) => spec?.className ?? "",
  name: ({ spec }) => spec?.name ?? "",
  namespace: ({ spec }) => spec?.namespace ?? "",
  jobId: ({ spec }) => spec?.jobId ?? "",
  state: ({ status }) => status.state,
  nodeId: ({ status }) => status.nodeId,
  workerId: ({ status }) => status.workerId,
  pid: ({ status }) => status.pid,
  isDetached: ({ spec }) => spec?.detached ?? false,
  deathCause: ({ status }) => status.deathCause?.code ?? null,
  deathMessage: ({ status }) => status.deathCause?.message ?? null,
  numRestarts: ({ status, spec }) => restartsOf(status, spec?.maxRestarts ?? 0),
  placementGroupId: ({ spec }) => spec?.strategy.type === "group" ? spec.strategy.groupId : null,
  mailboxDepth: ({ figures }) => figures?.mailboxDepth ?? null,
  callsPerSecond: ({ figures }) => figures?.callsPerSecond ?? null,
  meanCallMs: ({ figures }) => figures?.meanCallMs ?? null,
  callsFinished: ({ figures }) => figures?.callsFinished ?? null,
  createdMs: ({ createdMs }) => createdMs,
  updatedMs: ({ updatedMs }) => updatedMs,
};

export interface ActorPageQuery {
  /** `column op value`, AND-ed (filters.ts). */
  readonly filters: readonly string[];
  /** Somewhere in the class, the names, the ids or the state, letter case aside. */
  readonly text?: string | null;
  /** A column of the above. */
  readonly sort: string;
  readonly descending: boolean;
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: string | null;
}

interface Entry {
  readonly value: Value;
  readonly facts: ActorFacts;
}

/** @throws {RangeError} for an unknown column, a bad filter, limit or cursor. */
export async function pageOfActors(rows: ActorRows, query: ActorPageQuery): Promise<PageOf<ActorDto>> {
  const { sort, descending, limit } = query;
  const columns = Object.keys(COLUMNS);
  if (!columns.includes(sort)) {
    throw new RangeError(
      `cannot sort by ${JSON.stringify(sort.slice(0, 40))}; there are ${columns.join(", ")}`,
    );
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > ACTORS_PAGE_MAX) {
    throw new RangeError(`limit ${limit} is not a whole number from 1 to ${ACTORS_PAGE_MAX}`);
  }
  const filters = parseFilters(query.filters, columns);
  const text = (query.text ?? "").trim().toLowerCase().slice(0, TEXT_LENGTH_MAX);
  const after = query.after == null ? null : parseCursor(query.after);
  const order = orderBy(descending);
  const isPlain = filters.length === 0 && text === "" && after === null;
  const known = isPlain && sort === "updatedMs" && descending ? recent(rows) : null;
  const page: Entry[] = [];
  let total = 0, looked = 0;
  for (const facts of known ?? rows.all()) {
    if (++looked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    if (!passes(facts, filters, text)) continue;
    total++;
    const entry = { value: COLUMNS[sort]!(facts), facts };
    if (after !== null && order(after, { value: entry.value, id: facts.status.actorId }) >= 0) continue;
    insert(page, entry, limit + 1, order);
  }
  const isMore = page.length > limit;
  if (isMore) page.pop();
  const last = page.at(-1);
  return {
    rows: page.map(({ facts }) => rows.row(facts.status.actorId)!).filter((row) => row !== null),
    total: known === null ? total : rows.index.total,
    next: isMore && last !== undefined ? JSON.stringify([last.value, last.facts.status.actorId]) : null,
    dropped: rows.ended.dropped,
  };
}

function recent(rows: ActorRows): ActorFacts[] {
  return rows.index.recent().map((actorId) => rows.facts(actorId)!);
}

function passes(actor: ActorFacts, filters: readonly Filter[], text: string): boolean {
  for (const filter of filters) {
    if (!matches({ [filter.column]: COLUMNS[filter.column]!(actor) }, [filter])) return false;
  }
  if (text === "") return true;
  const { status, spec, figures } = actor;
  const has = (value: string | null | undefined): boolean => value?.toLowerCase().includes(text) ?? false;
  return has(spec?.className) || has(spec?.name) || has(status.actorId) || has(status.state) ||
    has(status.nodeId) || has(status.workerId) || has(spec?.jobId) || has(figures?.reprName) ||
    has(status.deathCause?.message);
}

interface Place {
  readonly value: Value;
  readonly id: string;
}

/** The order of a page: by value, what has none last, ids where values are equal. */
function orderBy(descending: boolean): (a: Place, b: Place) => number {
  const sign = descending ? -1 : 1;
  return (a, b) => {
    if (a.value !== b.value) {
      if (a.value === null) return 1;
      if (b.value === null) return -1;
      return (a.value < b.value ? -1 : 1) * sign;
    }
    return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
  };
}

/** Keeps the first `max` in order. Most entries of a long list come after them and cost one comparison. */
function insert(page: Entry[], entry: Entry, max: number, order: (a: Place, b: Place) => number): void {
  const place = placeOf(entry);
  if (page.length === max && order(place, placeOf(page[max - 1]!)) >= 0) return;
  let low = 0, high = page.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order(placeOf(page[middle]!), place) < 0) low = middle + 1;
    else high = middle;
  }
  page.splice(low, 0, entry);
  if (page.length > max) page.pop();
}

function placeOf({ value, facts }: Entry): Place {
  return { value, id: facts.status.actorId };
}

function parseCursor(cursor: string): Place {
  try {
    const [value, id] = JSON.parse(cursor) as [Value, string];
    if (typeof id === "string" && (value === null || typeof value !== "object")) return { value, id };
  } catch {
    // Told below.
  }
  throw new RangeError(
    `after ${JSON.stringify(cursor.slice(0, 80))} is no cursor: pass "next" of the page before`,
  );
}
