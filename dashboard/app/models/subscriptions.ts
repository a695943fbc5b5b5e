/**
 * What of the stream the page needs now: topics and questions, counted by who needs them.
 * @module
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import type { Topic } from "../../api_types.ts";

/** Needed by the frame itself. */
const ALWAYS: readonly string[] = ["topic cluster"];
const counts = new Map<string, number>();
const version: Signal<number> = signal(0);

/** Grows when something is needed that was not, or no longer. */
export const needsVersion: ReadonlySignal<number> = version;

/** Need it until the answer is called. */
export function need(kind: "topic" | "live" | "every", name: string): () => void {
  const key = `${kind} ${name}`;
  const before = counts.get(key) ?? 0;
  counts.set(key, before + 1);
  if (before === 0) version.value++;
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    const left = counts.get(key)! - 1;
    if (left > 0) {
      counts.set(key, left);
      return;
    }
    counts.delete(key);
    version.value++;
  };
}

/** All that is needed, sorted. */
export function allNeeds(): string[] {
  return [...new Set([...ALWAYS, ...counts.keys()])].sort();
}

/** Questions of one stream (the server refuses more), and the longest that it takes. */
const QUESTIONS_MAX = 64;
export const QUESTION_LENGTH_MAX: number = 2_000;

/** The stream's parameters for these needs. */
export function streamQuery(needs: readonly string[]): string {
  const params = new URLSearchParams();
  const topics = needs.filter((key) => key.startsWith("topic ")).map((key) => key.slice(6));
  params.set("topics", topics.length === 0 ? "none" : topics.join(","));
  const questions = needs.filter((key) => key.startsWith("live ")).slice(0, QUESTIONS_MAX);
  for (const key of questions) params.append("live", key.slice(5));
  const every = needs.find((key) => key.startsWith("every "));
  if (every !== undefined) params.set("every", every.slice(6));
  return params.toString();
}

/** Topics that a component reads (models/cluster.ts), as long as it is shown. */
export function useTopics(...topics: readonly Topic[]): void {
  useLayoutEffect(() => {
    const ends = topics.map((topic) => need("topic", topic));
    return () => ends.forEach((end) => end());
  }, [topics.join()]);
}

/**
 * Topics come along with answers, as long as the component is shown, and by themselves every two seconds: a page with a large
 * canvas is laid out and painted once for all that a second brings.
 */
export function useFewFrames(): void {
  useLayoutEffect(() => need("every", "2000"), []);
}
