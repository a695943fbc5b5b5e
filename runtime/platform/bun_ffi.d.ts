/**
 * The part of `bun:ffi` that bun.ts uses. Written by hand: mobula's own files must not pull in a runtime's global types.
 * @module
 */
declare module "bun:ffi" {
  /** Pointers are plain numbers. */
  export function dlopen<Names extends string>(
    library: string,
    symbols: Record<Names, { args: readonly string[]; returns: string }>,
  ): {
    symbols: Record<Names, ((...args: (number | Uint8Array | null)[]) => number) & { readonly ptr: number }>;
  };
  /** With a deallocator, `deallocator(bytes, context)` is called (from C) when the buffer's memory is released. */
  export function toArrayBuffer(
    pointer: number,
    byteOffset: number,
    byteLength: number,
    context?: number,
    deallocator?: number,
  ): ArrayBuffer;
}
