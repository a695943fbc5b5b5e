/**
 * Imported when it is needed.
 * @module
 */
export function lazily(): string {
  return "lazy";
}
