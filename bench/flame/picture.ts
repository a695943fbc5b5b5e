/**
 * A tree of frames as a flame graph: time goes from left to right by name, callers stand below what they call. An SVG without
 * script, readable on light and dark pages; a pointer that rests on a frame shows its title.
 * @module
 */
import type { Frame, Phase } from "./profile.ts";

const WIDTH = 1_180;
const MARGIN = 10;
const ROW = 17;
const TOP = 62;
/** Narrower frames are not drawn: nobody can read them. */
const WIDTH_MIN = 1.2;
const CHARACTER = 6.3;

const COLOURS: Readonly<Record<Phase, readonly [light: string, dark: string]>> = {
  submit: ["#b9d4f2", "#24507d"],
  encode: ["#c9e6c3", "#2c5f31"],
  socket: ["#f3d3a4", "#77511a"],
  decode: ["#d9cdf0", "#51408a"],
  run: ["#f5c1c1", "#7d3232"],
  reply: ["#f2e39b", "#6a5d14"],
  settle: ["#b5e2e0", "#1f5f5d"],
  record: ["#f0bfe0", "#75326a"],
  program: ["#dde1e6", "#3a434d"],
  runtime: ["#e9ebee", "#2b323a"],
};

const PHASES = Object.keys(COLOURS) as Phase[];

function style(): string {
  const variables = (side: 0 | 1): string =>
    PHASES.map((phase) => `--${phase}:${COLOURS[phase][side]}`).join(";");
  return `svg{--back:#ffffff;--text:#1a2129;--muted:#5b6774;${variables(0)}}` +
    `@media (prefers-color-scheme:dark){svg{--back:#151a20;--text:#e3e8ed;--muted:#93a0ad;${variables(1)}}}` +
    `text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:var(--text)}` +
    `.title{font:600 16px system-ui,"Segoe UI",Roboto,sans-serif}.muted{fill:var(--muted)}` +
    PHASES.map((phase) => `.${phase}{fill:var(--${phase})}`).join("");
}

/** `us`: microseconds of processor time a task takes in this process, which all samples together stand for. */
export function flameGraph(tree: Frame, title: string, us: number): string {
  const rows: string[] = [];
  let depthMax = 0;
  const perSample = (WIDTH - 2 * MARGIN) / tree.total;
  const draw = (frame: Frame, x: number, depth: number): void => {
    const width = frame.total * perSample;
    if (width < WIDTH_MIN) return;
    depthMax = Math.max(depthMax, depth);
    rows.push(rectangle(frame, x, width, depth, us * frame.total / tree.total));
    let at = x;
    for (const child of [...frame.children].sort((a, b) => a.name < b.name ? -1 : 1)) {
      draw(child, at, depth + 1);
      at += child.total * perSample;
    }
  };
  draw(tree, MARGIN, 0);
  const height = TOP + (depthMax + 1) * ROW + MARGIN;
  const legend = PHASES.map((phase, index) =>
    `<rect class="${phase}" x="${MARGIN + index * 92}" y="40" width="11" height="11" rx="2"/>` +
    `<text class="muted" x="${MARGIN + index * 92 + 16}" y="50">${phase}</text>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${
    escape(title)
  }"><style>${style()}</style><rect width="${WIDTH}" height="${height}" rx="8" fill="var(--back)"/>` +
    `<text class="title" x="${MARGIN}" y="26">${escape(title)}</text>${legend.join("")}` +
    // Rows count from the bottom, where the root stands.
    `<g transform="translate(0 ${TOP + depthMax * ROW})">${rows.join("")}</g></svg>\n`;
}

function rectangle(frame: Frame, x: number, width: number, depth: number, us: number): string {
  const y = -depth * ROW;
  const box = `x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${
    ROW - 1
  }"`;
  const room = Math.floor((width - 6) / CHARACTER);
  const label = frame.name.length <= room ? frame.name : room < 4 ? "" : `${frame.name.slice(0, room - 1)}…`;
  const text = label === "" ? "" : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escape(label)}</text>`;
  const title = `${frame.name}${frame.file === "" ? "" : ` ${frame.file}`}: ${us.toFixed(3)} us a task`;
  return `<g><title>${escape(title)}</title><rect class="${frame.phase}" ${box} rx="1.5"/>${text}</g>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
