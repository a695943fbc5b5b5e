/**
 * What stands where there is nothing to show: not yet, nothing there, not to be had.
 * @module
 */
import type { ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { NOT_KEPT, type QueryState } from "../models/query.ts";

/** An answer is on its way. Quiet for the first moment, so that fast answers do not flicker. */
export function Loading({ rows = 3 }: { rows?: number }) {
  return (
    <div class="loading" aria-busy="true" role="status">
      <span class="hidden">Loading…</span>
      {Array.from({ length: rows }, (_, i) => <span key={i} class="shimmer" aria-hidden="true" />)}
    </div>
  );
}

/** There is nothing: say what will be here and what to do for it. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** It cannot be had: say why. */
export function Failed({ message }: { message: string }) {
  return (
    <p class="broken" role="alert">
      <strong>This could not be loaded.</strong> {message}
    </p>
  );
}

interface AnswerProps<T> {
  readonly of: ReadonlySignal<QueryState<T>>;
  readonly children: (data: T) => ComponentChildren;
  readonly loading?: ComponentChildren;
}

/** A query's answer, or the state that it is in. A last good answer stays, with the reason why there is no newer one. */
export function Answer<T>({ of, children, loading }: AnswerProps<T>) {
  const { state, data, error } = of.value;
  if (error?.code === NOT_KEPT) return <Empty>{error.message}</Empty>;
  if (state === "loading") return <>{loading ?? <Loading />}</>;
  return (
    <>
      {error !== null && <Failed message={error.message} />}
      {data !== null && children(data)}
    </>
  );
}
