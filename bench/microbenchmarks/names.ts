/**
 * Ray's 23 microbenchmarks: names, in the order of its file, and what one run counts for (ray_perf.py of Ray 2.58). A "GB"
 * of Ray's is 1,000 MiB.
 * @module
 */

/** Operations of one run. */
export const MULTIPLIERS = (actors: number): ReadonlyMap<string, number> =>
  new Map([
    ["single client get calls (Plasma Store)", 1],
    ["single client put calls (Plasma Store)", 1],
    ["multi client put calls (Plasma Store)", 1_000],
    ["single client put gigabytes", 0.8],
    ["single client tasks and get batch", 1],
    ["multi client put gigabytes", 8],
    ["single client get object containing 10k refs", 1],
    ["single client wait 1k refs", 1],
    ["single client tasks sync", 1],
    ["single client tasks async", 1_000],
    ["multi client tasks async", 40_000],
    ["1:1 actor calls sync", 1],
    ["1:1 actor calls async", 1_000],
    ["1:1 actor calls concurrent", 1_000],
    ["1:n actor calls async", 5_000 * actors],
    ["n:n actor calls async", 20_000],
    ["n:n actor calls with arg async", 1_000 * actors],
    ["1:1 async-actor calls sync", 1],
    ["1:1 async-actor calls async", 1_000],
    ["1:1 async-actor calls with args async", 1_000],
    ["1:n async-actor calls async", 5_000 * actors],
    ["n:n async-actor calls async", 20_000],
    ["placement group create/removal", 100],
    // Not of that file: Ray's envelope measures starts of actors by the thousand on 64 nodes.
    ["20 actors created and called", 20],
  ]);

/** Bound by copying memory: where ten times Ray is more than the machine can, 0.8 of the copy's rate is the mark. */
export const COPIES: ReadonlySet<string> = new Set([
  "single client put gigabytes",
  "multi client put gigabytes",
]);
