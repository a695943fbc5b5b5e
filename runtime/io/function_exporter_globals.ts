/**
 * The names that exported code may use without declaring them: globals that workers have too.
 * A captured variable that has the name of a global cannot be told from it; the global is meant.
 * @module
 */

/** What `import()` is called in exported source. */
export const IMPORT_NAME = "__mobula_import";

/** On Bun, Deno and Node alike (what globalThis has on all three, and what each has as a binding). */
const EVERYWHERE: ReadonlySet<string> = new Set(
  `AbortController AbortSignal AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array
  BigUint64Array Blob Boolean BroadcastChannel Buffer ByteLengthQueuingStrategy CloseEvent CompressionStream
  CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DataView Date DecompressionStream DisposableStack Error
  EvalError Event EventTarget File FinalizationRegistry Float16Array Float32Array Float64Array FormData Function Headers
  Infinity Int16Array Int32Array Int8Array Intl Iterator JSON Map Math MessageChannel MessageEvent MessagePort NaN Number
  Object Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver
  PerformanceObserverEntryList Promise Proxy RangeError ReadableByteStreamController ReadableStream
  ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader
  ReferenceError Reflect RegExp Request Response Set SharedArrayBuffer String SubtleCrypto SuppressedError Symbol
  SyntaxError TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream
  TransformStreamDefaultController TypeError URIError URL URLPattern URLSearchParams Uint16Array Uint32Array Uint8Array
  Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly WebSocket WritableStream WritableStreamDefaultController
  WritableStreamDefaultWriter atob btoa clearImmediate clearInterval clearTimeout console crypto decodeURI
  decodeURIComponent encodeURI encodeURIComponent escape eval fetch global globalThis isFinite isNaN navigator parseFloat
  parseInt performance process queueMicrotask require setImmediate setInterval setTimeout structuredClone undefined
  unescape`.split(/\s+/),
);

/** Names that programs test with `typeof` to see where they are. Nobody calls variables so. */
const RUNTIME_TESTS: ReadonlySet<string> = new Set([
  "Bun",
  "Deno",
  "EdgeRuntime",
  "WorkerGlobalScope",
  "document",
  "importScripts",
  "self",
  "window",
]);

/** Standard names that not every runtime has; those of this process count, and its workers run the same runtime. */
const SOMEWHERE: ReadonlySet<string> = new Set(
  `Cache CacheStorage ErrorEvent EventSource FileReader HTMLRewriter ImageData LockManager Navigator
  PerformanceResourceTiming ProgressEvent PromiseRejectionEvent QuotaExceededError Storage Temporal Worker
  addEventListener caches dispatchEvent localStorage removeEventListener reportError sessionStorage`.split(
    /\s+/,
  ),
);

/** Helpers that a compiler put into the code; the loader brings them along. tsx and esbuild name functions so. */
export const COMPILER_HELPERS: ReadonlySet<string> = new Set(["__name"]);

/** Whether code in a worker finds this name without declaring it. */
export function isKnownGlobal(name: string): boolean {
  return EVERYWHERE.has(name) || RUNTIME_TESTS.has(name) || COMPILER_HELPERS.has(name) ||
    name === IMPORT_NAME ||
    (SOMEWHERE.has(name) && name in globalThis);
}
