/**
 * Questions to the head: watched over the page's one stream, or asked once. The newest answers are kept, so that a page that
 * is visited again shows what it showed while the stream brings the news.
 * @module
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import type { LiveFrame } from "../../api_types.ts";
import { answerOfReport, reported } from "./report.ts";
import { need, QUESTION_LENGTH_MAX } from "./subscriptions.ts";

export interface QueryError {
  readonly code: string;
  readonly message: string;
}

export type QueryState<T> =
  | { readonly state: "loading"; readonly data: null; readonly error: null }
  | { readonly state: "ready"; readonly data: T; readonly error: null }
  /** `data`: the last good answer, when there was one. */
  | { readonly state: "failed"; readonly data: T | null; readonly error: QueryError };

/** The error's code where a report, which is all there is, does not have the answer: nothing is broken. */
export const NOT_KEPT = "NOT_KEPT";

/** Answers that are kept after nobody shows them. */
const KEPT = 40;
const LOADING: QueryState<never> = { state: "loading", data: null, error: null };
const NOTHING: ReadonlySignal<QueryState<never>> = signal(LOADING);

/** Answers by question; those that were used last at the end. */
const answers = new Map<string, Signal<QueryState<unknown>>>();
const watched = new Map<string, number>();

/** The question `name?a=b`; parameters that are null are left out, arrays are repeated. */
export function question(
  name: string,
  params: Readonly<Record<string, string | number | readonly string[] | null | undefined>> = {},
): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value === null || value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(key, String(each));
  }
  const text = query.toString();
  return text === "" ? name : `${name}?${text}`;
}

/**
 * Watch a question as long as the component is shown: its answer comes again when it changes, once a second at most. Null:
 * nothing to ask now. Opens no connection of its own.
 */
export function useQuery<T>(key: string | null): ReadonlySignal<QueryState<T>> {
  useLayoutEffect(() => (key === null ? undefined : watch(key)), [key]);
  return key === null ? NOTHING : answerOf(key) as ReadonlySignal<QueryState<T>>;
}

/** Watch without a component; the answer ends it. */
export function watch(key: string): () => void {
  const answer = answerOf(key);
  if (reported.peek() !== null) {
    answer.value = reportState(key);
    return () => undefined;
  }
  if (key.length > QUESTION_LENGTH_MAX) {
    // The server would refuse the whole stream for it.
    const message = `this question has more than ${QUESTION_LENGTH_MAX} characters`;
    answer.value = { state: "failed", data: null, error: { code: "BAD_REQUEST", message } };
    return () => {};
  }
  watched.set(key, (watched.get(key) ?? 0) + 1);
  const end = need("live", key);
  return () => {
    end();
    const left = (watched.get(key) ?? 1) - 1;
    if (left > 0) watched.set(key, left);
    else watched.delete(key);
    forgetOld();
  };
}

/** Ask once. @throws Error with the head's sentence. */
export async function ask<T>(key: string, abort?: AbortSignal): Promise<T> {
  if (reported.peek() !== null) return answerOfReport(key) as T;
  const response = await fetch(`./api/v1/${key}`, { cache: "no-store", signal: abort ?? null });
  if (response.ok) return await response.json() as T;
  const body = await response.json().catch(() => null) as { error?: QueryError } | null;
  throw new Error(body?.error?.message ?? `the head answers ${response.status}`);
}

/** Ask once for bytes. @throws Error with the head's sentence. */
export async function askBytes(key: string, abort?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  if (reported.peek() !== null) return new TextEncoder().encode(JSON.stringify(answerOfReport(key)));
  const response = await fetch(`./api/v1/${key}`, { cache: "no-store", signal: abort ?? null });
  if (response.ok) return new Uint8Array(await response.arrayBuffer());
  const body = await response.json().catch(() => null) as { error?: QueryError } | null;
  throw new Error(body?.error?.message ?? `the head answers ${response.status}`);
}

function reportState(key: string): QueryState<unknown> {
  try {
    return { state: "ready", data: answerOfReport(key), error: null };
  } catch (error) {
    return { state: "failed", data: null, error: { code: NOT_KEPT, message: (error as Error).message } };
  }
}

/** A frame of the stream. */
export function applyAnswer(frame: LiveFrame): void {
  const answer = answers.get(frame.key);
  if (answer === undefined) return;
  answer.value = frame.error === undefined
    ? { state: "ready", data: frame.data, error: null }
    : { state: "failed", data: answer.peek().data, error: frame.error };
}

function answerOf(key: string): Signal<QueryState<unknown>> {
  let answer = answers.get(key);
  if (answer === undefined) answer = signal<QueryState<unknown>>(LOADING);
  else answers.delete(key);
  answers.set(key, answer);
  return answer;
}

function forgetOld(): void {
  for (const key of answers.keys()) {
    if (answers.size - watched.size <= KEPT) return;
    if (!watched.has(key)) answers.delete(key);
  }
}
