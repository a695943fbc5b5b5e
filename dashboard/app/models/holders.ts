/**
 * References that keep objects, in words, and added up.
 * @module
 */
import type { MemoryRow, ObjectHolder, ReferenceKind } from "../../api/memory.ts";

/** In the order in which they are named. */
export const HOLDER_KINDS: Readonly<
  Record<ReferenceKind, { readonly title: string; readonly help: string }>
> = {
  LOCAL_REFERENCE: { title: "ref in a process", help: "A ref, or a value with it, in a process" },
  USED_BY_PENDING_TASK: { title: "task argument", help: "A call that is not done takes it" },
  CAPTURED_IN_OBJECT: { title: "in another object", help: "Another stored object contains it" },
  PINNED_IN_MEMORY: { title: "pinned", help: "Somebody reads its bytes in place" },
  ACTOR_HANDLE: { title: "actor handle", help: "A handle of an actor" },
};

/** How many of each kind there are. */
export function holderSums(holders: readonly ObjectHolder[]): [ReferenceKind, number][] {
  const sums = new Map<ReferenceKind, number>();
  for (const { kind } of holders) sums.set(kind, (sums.get(kind) ?? 0) + 1);
  return (Object.keys(HOLDER_KINDS) as ReferenceKind[]).flatMap((kind) =>
    sums.has(kind) ? [[kind, sums.get(kind)!] as [ReferenceKind, number]] : []
  );
}

/** Who refers to an object: its owner's refs, and those of others who were given one. */
export function holderWord(holder: ObjectHolder, owner: string): string {
  if (holder.kind !== "LOCAL_REFERENCE") return HOLDER_KINDS[holder.kind].title;
  return holder.holder === owner ? "local ref of its owner" : "borrowed ref";
}

export interface SiteGroup {
  readonly producer: string;
  /** file:line:column, or null when it was not recorded. */
  readonly site: string | null;
  readonly objects: number;
  /** Of one copy of each. */
  readonly bytes: number;
}

/** By function and call site, the most bytes first. */
export function siteGroups(rows: readonly MemoryRow[]): SiteGroup[] {
  const groups = new Map<string, { producer: string; site: string | null; objects: number; bytes: number }>();
  for (const { producer, callSite, bytes, state } of rows) {
    if (state === "ACTOR" || state === "PENDING") continue;
    const key = `${producer}\n${callSite ?? ""}`;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, group = { producer, site: callSite, objects: 0, bytes: 0 });
    group.objects++;
    group.bytes += bytes;
  }
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes || (a.producer < b.producer ? -1 : 1));
}
