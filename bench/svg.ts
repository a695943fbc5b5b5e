/**
 * What the benchmarks' pictures share: colours that are readable on light and dark pages, text, a frame.
 * @module
 */

const STYLE = `
  svg { --back: #ffffff; --text: #1a2129; --muted: #5b6774; --grid: #dfe4e9; --bar: #1565b3; --low: #cf4a15;
    --c0: #1565b3; --c1: #cf4a15; --c2: #1b7f4b; --c3: #8a3fb0; --c4: #9a6b00; --c5: #b0245f; }
  @media (prefers-color-scheme: dark) {
    svg { --back: #151a20; --text: #e3e8ed; --muted: #93a0ad; --grid: #283039; --bar: #4b9be6; --low: #f07a48;
      --c0: #4b9be6; --c1: #f07a48; --c2: #4fc283; --c3: #c58ae6; --c4: #d9ad3c; --c5: #f078a5; } }
  text { font: 13px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--text); }
  .title { font-size: 17px; font-weight: 600; } .muted { fill: var(--muted); }
  .end { text-anchor: end; } .middle { text-anchor: middle; } .grid { stroke: var(--grid); }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }`;

/** Colours for series: `var(--c0)` to `var(--c5)`. */
export const SERIES_COLOURS = 6;

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly title: string;
}

/** A whole picture around these elements. */
export function picture({ width, height, title }: Frame, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${
    escapeXml(title)
  }"><style>${STYLE}</style><rect width="${width}" height="${height}" rx="8" fill="var(--back)"/>` +
    `<text class="title" x="24" y="34">${escapeXml(title)}</text>${parts.join("")}</svg>\n`;
}

export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
