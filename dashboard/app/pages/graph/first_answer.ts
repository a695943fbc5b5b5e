/**
 * A watched question whose first answer is asked for at once: a stream that has to be opened again for it would make the viewer
 * wait.
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import { ask, type QueryState, useQuery } from "../../models/query.ts";

/** As useQuery; the first answer comes as fast as a request. */
export function useFirstAnswer<T>(key: string | null): QueryState<T> {
  const live = useQuery<T>(key).value;
  const [first, setFirst] = useState<{ readonly key: string; readonly data: T } | null>(null);
  useEffect(() => {
    if (key === null || live.state !== "loading") return;
    const abort = new AbortController();
    // What fails here fails on the stream too, which says why.
    ask<T>(key, abort.signal).then((data) => setFirst({ key, data }), () => {});
    return () => abort.abort();
  }, [key]);
  if (live.state !== "loading" || first === null || first.key !== key) return live;
  return { state: "ready", data: first.data, error: null };
}
