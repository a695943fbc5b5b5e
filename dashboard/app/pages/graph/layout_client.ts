/**
 * Layouts by a worker, so that the page keeps answering: one result per structure is kept, requests that are overtaken are
 * dropped before they are sent. Where no worker can be started (a report opened as a file), layouts are made here.
 * @module
 */
import { type Layout, layOut, type LayoutRequest } from "./layout.ts";

/** Results that are kept, by structure. */
const KEPT = 24;

const kept = new Map<string, Layout>();
let worker: Worker | null | undefined;
let nextId = 1;
const waiting = new Map<number, (layout: Layout) => void>();

/** What the layout depends on, as text. */
export function structureOf(request: LayoutRequest): string {
  const nodes = request.nodes.map((node) => `${node.key}\t${node.width}\t${node.height}`).sort();
  const edges = request.edges.map((edge) => `${edge.from}\t${edge.to}`);
  return `${request.isDown}\n${nodes.join("\n")}\n\n${edges.join("\n")}`;
}

/** The layout of that structure, when it was made before. */
export function keptLayout(structure: string): Layout | null {
  return kept.get(structure) ?? null;
}

/** Lay out, away from this thread. */
export async function requestLayout(structure: string, request: LayoutRequest): Promise<Layout> {
  const known = kept.get(structure);
  if (known !== undefined) return known;
  const layout = await compute(request);
  kept.set(structure, layout);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
  return layout;
}

function compute(request: LayoutRequest): Promise<Layout> {
  worker ??= startWorker();
  if (worker === null || worker === undefined) return Promise.resolve(layOut(request));
  const id = nextId++;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    requests.set(id, request);
    worker!.postMessage({ id, request });
  });
}

/** What the worker still owes, for the case that it cannot run. */
const requests = new Map<number, LayoutRequest>();

function startWorker(): Worker | null {
  // A report is one file, opened as such: there is nothing beside it to start.
  if (location.protocol === "file:") return null;
  try {
    const made = new Worker("./layout_worker.js", { type: "module" });
    made.onmessage = ({ data }: MessageEvent<{ id: number; layout: Layout }>) => finish(data.id, data.layout);
    made.onerror = (): void => {
      // It did not start: what it owes is made here, and so is all that follows.
      worker = null;
      for (const [id, request] of [...requests]) finish(id, layOut(request));
    };
    return made;
  } catch {
    return null;
  }
}

function finish(id: number, layout: Layout): void {
  waiting.get(id)?.(layout);
  waiting.delete(id);
  requests.delete(id);
}
