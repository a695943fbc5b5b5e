/**
 * A progress bar on stderr, on a terminal only.
 * @module
 */

/** Starts a bar for `total` bytes. */
export function showProgress(total: number): { advance(bytes: number): void; end(): void } {
  const visible = process.stderr.isTTY === true;
  const startMs = performance.now();
  let done = 0;
  let drawnMs = 0;
  const draw = () => {
    const width = Math.max(10, Math.min(50, (process.stderr.columns ?? 80) - 40));
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const bar = "█".repeat(Math.round(share * width)).padEnd(width, "░");
    const seconds = (performance.now() - startMs) / 1000;
    const rate = `${(done / 1e6 / Math.max(seconds, 0.001)).toFixed(1)} MB/s`;
    process.stderr.write(`\r${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${rate}\x1b[K`);
  };
  return {
    advance(bytes: number) {
      done += bytes;
      // Ten times a second is as often as anybody reads it.
      if (!visible || performance.now() - drawnMs < 100) return;
      drawnMs = performance.now();
      draw();
    },
    end() {
      if (visible) process.stderr.write("\r\x1b[K");
    },
  };
}
