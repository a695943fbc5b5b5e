/**
 * The bars of a good dashboard (D1 to D16), as a table: what each asks for, what was measured, whether it was reached.
 * @module
 */

export interface Bar {
  readonly id: string;
  readonly what: string;
  readonly asked: string;
  readonly measured: string;
  /** Null: shown elsewhere (a test); `measured` says where. */
  readonly isReached: boolean | null;
}

export function barTable(bars: readonly Bar[]): string {
  const lines = ["| bar | what | asked for | measured | |", "| --- | --- | --- | --- | --- |"];
  for (const { id, what, asked, measured, isReached } of bars) {
    const verdict = isReached === null ? "test" : isReached ? "reached" : "**missed**";
    lines.push(`| ${id} | ${what} | ${asked} | ${measured} | ${verdict} |`);
  }
  return lines.join("\n");
}

export function ms(value: number): string {
  return value >= 1_000 ? `${(value / 1_000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

export function kb(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(0)} KB`;
}
