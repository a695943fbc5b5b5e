/**
 * Who may import whom: the layers of the design (section 4) as data, and the check for one file.
 *
 *     common <- protocol <- core <- io <- process <- api <- cli
 *
 * @module
 */
import type { ImportEdge, SourceFile } from "./source_scan.ts";

interface Layer {
  /** Layers whose code may be imported. */
  readonly code: readonly string[];
  /** Layers of which only types may be imported, beyond those of `code`. */
  readonly types?: readonly string[];
  /** `node:` modules. */
  readonly node?: true;
  /** npm packages; `true` for any. */
  readonly packages?: readonly string[] | true;
}

/** The layers, the more particular path first. */
const LAYERS: readonly (readonly [path: string, name: string])[] = [
  ["runtime/mod.ts", "api"],
  ["runtime/bundled_worker.ts", "api"],
  ["runtime/bundled_cluster.ts", "api"],
  ["runtime/common/", "common"],
  ["runtime/protocol/", "protocol"],
  ["runtime/core/", "core"],
  ["runtime/platform/", "platform"],
  ["runtime/io/", "io"],
  ["runtime/process/", "process"],
  ["runtime/api/", "api"],
  ["runtime/web/", "web"],
  ["runtime/cli/", "cli"],
  ["dashboard/server/", "dashboard/server"],
  ["dashboard/app/", "dashboard/app"],
  ["dashboard/api_types.ts", "dashboard/types"],
  ["dashboard/api/", "dashboard/types"],
  ["dashboard/", "dashboard/server"],
  ["examples/", "examples"],
  ["bench/microbenchmarks/", "microbenchmarks"],
  ["bench/", "bench"],
  ["test/", "test"],
];

const RULES: Readonly<Record<string, Layer>> = {
  common: { code: ["common"] },
  protocol: { code: ["common", "protocol"], types: ["dashboard/types"] },
  // The core decides; bytes, sockets and clocks are others' business.
  core: { code: ["common", "core"], types: ["protocol"] },
  platform: { code: ["common", "platform"], node: true, packages: ["bun:ffi"] },
  io: {
    // The contract with the page: types, and the constants of the timeline's scale.
    code: ["common", "protocol", "core", "io", "platform", "dashboard/types"],
    node: true,
    packages: [
      "@libsql/client",
      "libsql",
      "drizzle-orm",
      "acorn",
      "acorn-walk",
      "@jridgewell/sourcemap-codec",
    ],
  },
  process: {
    code: ["common", "protocol", "core", "io", "platform", "process", "dashboard/server"],
    types: ["api", "dashboard/types"],
    node: true,
  },
  api: {
    code: ["common", "protocol", "core", "io", "platform", "process", "api"],
    types: ["dashboard/types"],
    node: true,
  },
  // Beside the API: for where there is no `node:`. That nothing of it comes in by a detour is test/web/'s to find.
  web: { code: ["common", "protocol", "core", "io", "api", "web"], packages: ["acorn"] },
  cli: {
    code: ["common", "protocol", "io", "platform", "process", "api", "cli", "microbenchmarks"],
    types: ["dashboard/types"],
    node: true,
    packages: true,
  },
  "dashboard/types": { code: ["dashboard/types"], types: ["common"] },
  "dashboard/server": {
    code: ["common", "platform", "dashboard/types", "dashboard/server"],
    types: ["protocol", "io"],
    node: true,
    packages: ["hono", "@hono/node-server"],
  },
  "dashboard/app": {
    // Of the vocabulary, what people read is to be worded alike on pages and on the command line.
    code: ["common", "dashboard/types", "dashboard/app"],
    packages: ["preact", "@preact/signals", "uplot"],
  },
  // An example is a user's program.
  examples: { code: ["examples"], node: true, packages: ["mobula"] },
  // What `mobula bench` and `npm run bench` both measure: programs of a user, outside of runtime/, whose code travels.
  microbenchmarks: { code: ["microbenchmarks"], packages: ["mobula"] },
  bench: {
    code: [
      ...["common", "protocol", "core", "io", "platform", "process", "api", "microbenchmarks", "bench"],
      ...["dashboard/server", "dashboard/types"],
    ],
    node: true,
    packages: true,
  },
  test: {
    code: [
      ...["common", "protocol", "core", "platform", "io", "process", "api", "web", "cli"],
      ...[
        "dashboard/server",
        "dashboard/app",
        "dashboard/types",
        "examples",
        "microbenchmarks",
        "bench",
        "test",
      ],
    ],
    node: true,
    packages: true,
  },
};

function layerOf(path: string): string {
  return LAYERS.find(([prefix]) => path === prefix || (prefix.endsWith("/") && path.startsWith(prefix)))
    ?.[1] ?? "?";
}

/** One line for each import of the file that its layer forbids. */
export function breachesOf(file: SourceFile, edges: readonly ImportEdge[]): string[] {
  const layer = layerOf(file.path);
  const rule = RULES[layer];
  if (rule === undefined) return [`${file.path}: belongs to no layer`];
  return edges.filter((edge) => !isAllowed(rule, edge)).map((edge) =>
    `${file.path}: ${layer} may not import ${edge.typeOnly ? "types of " : ""}${edge.specifier}`
  );
}

function isAllowed(rule: Layer, edge: ImportEdge): boolean {
  const { specifier, path } = edge;
  if (specifier.startsWith("node:")) return rule.node === true;
  const layer = specifier === "#platform" ? "platform" : path === null ? null : layerOf(path);
  if (layer !== null) {
    // Files outside the layers, such as package.json or a style sheet.
    if (layer === "?") return true;
    return rule.code.includes(layer) || (edge.typeOnly && (rule.types ?? []).includes(layer));
  }
  if (rule.packages === true) return true;
  return (rule.packages ?? []).some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

/** Some circle of the graph, as a path that ends where it began; empty when there is none. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (at: string, path: string[]): string[] => {
    const seen = path.indexOf(at);
    if (seen >= 0) return [...path.slice(seen), at];
    if (done.has(at)) return [];
    for (const next of graph.get(at) ?? []) {
      const cycle = visit(next, [...path, at]);
      if (cycle.length > 0) return cycle;
    }
    done.add(at);
    return [];
  };
  for (const start of graph.keys()) {
    const cycle = visit(start, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}
