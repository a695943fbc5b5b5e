/**
 * Quantities of bytes as people read them, the same on pages, on the command line and in sentences: binary units, three digits.
 * @module
 */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `1.50 GiB`, `30.5 MiB`, `512 B`. */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const size = Math.abs(value);
  return `${unit === 0 ? Math.round(value) : value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)} ${
    UNITS[unit]
  }`;
}
