/**
 * Pages of actors, filtered and sorted here, for lists that may hold a hundred thousand. Without filter, the newest are known
 * already; otherwise all are looked at, a few thousand at a time, so that nothing else waits, and only the page's rows are made.
 * @module
 */
import type { ActorDto } from "../../../dashboard/api_types.ts";
import type { PageOf } from "../../../dashboard/api/entities.ts";
import { type ActorFacts, type ActorRows, restartsOf } from "./actor_rows.ts";
import { type Filter, parseFilters, passes } from "./filters.ts";
import {
  amount,
  type Column,
  columnsOver,
  DURATION,
  flag,
  orNull,
  text,
  TIME,
  whole,
} from "./state/column.ts";

/** Rows of one page at most. */
export const ACTORS_PAGE_MAX: number = 200;
/** Actors that are looked at before others get their turn: about a millisecond. */
const SLICE = 2_000;
const TEXT_LENGTH_MAX = 200;

type Value = string | number | boolean | null;

const column = columnsOver<ActorFacts>();

/** What can be filtered and sorted by: read off what is kept, so that no row has to be made. */
const COLUMNS: readonly Column<ActorFacts>[] = [
  column("actorId", text, "The actor.", ({ status }) => status.actorId),
  column("className", text, "Its class.", ({ spec }) => spec?.className ?? ""),
  column("name", text, "Its name, or nothing.", ({ spec }) => spec?.name ?? ""),
  column("namespace", text, "Where its name is known.", ({ spec }) => spec?.namespace ?? ""),
  column("jobId", text, "Its job.", ({ spec }) => spec?.jobId ?? ""),
  column("state", text, "Its state.", ({ status }) => status.state),
  column("nodeId", orNull(text), "Its node.", ({ status }) => status.nodeId),
  column("workerId", orNull(text), "Its process.", ({ status }) => status.workerId),
  column("pid", orNull(whole), "That process's pid.", ({ status }) => status.pid),
  column("isDetached", flag, "It outlives its job.", ({ spec }) => spec?.detached ?? false),
  column("deathCause", orNull(text), "Why it is dead.", ({ status }) => status.deathCause?.code ?? null),
  column("deathMessage", orNull(text), "In words.", ({ status }) => status.deathCause?.message ?? null),
  column(
    "numRestarts",
    whole,
    "How often it was started again.",
    ({ status, spec }) => restartsOf(status, spec?.maxRestarts ?? 0),
  ),
  column(
    "placementGroupId",
    orNull(text),
    "The group that it runs in.",
    ({ spec }) => spec?.strategy.type === "group" ? spec.strategy.groupId : null,
  ),
  column("mailboxDepth", orNull(whole), "Calls that wait.", ({ figures }) => figures?.mailboxDepth ?? null),
  column(
    "callsPerSecond",
    orNull(amount),
    "Of the last second.",
    ({ figures }) => figures?.callsPerSecond ?? null,
  ),
  column(
    "meanCallMs",
    orNull(amount),
    "Mean time of its calls.",
    ({ figures }) => figures?.meanCallMs ?? null,
    DURATION,
  ),
  column(
    "callsFinished",
    orNull(whole),
    "Calls that ended.",
    ({ figures }) => figures?.callsFinished ?? null,
  ),
  column("createdMs", whole, "When it was created.", ({ createdMs }) => createdMs, TIME),
  column("updatedMs", whole, "When it changed last.", ({ updatedMs }) => updatedMs, TIME),
];

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
  const by = COLUMNS.find(({ name }) => name === sort);
  if (by === undefined) {
    const names = COLUMNS.map(({ name }) => name).join(", ");
    throw new RangeError(`cannot sort by ${JSON.stringify(sort.slice(0, 40))}; there are ${names}`);
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > ACTORS_PAGE_MAX) {
    throw new RangeError(`limit ${limit} is not a whole number from 1 to ${ACTORS_PAGE_MAX}`);
  }
  const filters = parseFilters(query.filters, COLUMNS);
  const words = (query.text ?? "").trim().toLowerCase().slice(0, TEXT_LENGTH_MAX);
  const after = query.after == null ? null : parseCursor(query.after);
  const order = orderBy(descending);
  const isPlain = filters.length === 0 && words === "" && after === null;
  const known = isPlain && sort === "updatedMs" && descending ? recent(rows) : null;
  const page: Entry[] = [];
  let total = 0, looked = 0;
  for (const facts of known ?? rows.all()) {
    if (++looked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    if (!isFound(facts, filters, words)) continue;
    total++;
    const entry = { value: by.of(facts) as Value, facts };
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

function isFound(actor: ActorFacts, filters: readonly Filter[], words: string): boolean {
  for (const filter of filters) {
    if (!passes(COLUMNS[filter.index]!.of(actor), filter)) return false;
  }
  if (words === "") return true;
  const { status, spec, figures } = actor;
  const has = (value: string | null | undefined): boolean => value?.toLowerCase().includes(words) ?? false;
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
