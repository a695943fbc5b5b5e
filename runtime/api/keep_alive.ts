/**
 * Keeps the process alive while somebody waits for the cluster. The cluster's sockets do not: a program ends when its own
 * work does.
 * @module
 */

let waiting = 0;
let timer: ReturnType<typeof setInterval> | null = null;

/** The same promise; the process lives at least until it is settled. */
export async function keepAlive<T>(promise: Promise<T>): Promise<T> {
  if (waiting++ === 0) timer = setInterval(() => {}, 1 << 30);
  try {
    return await promise;
  } finally {
    if (--waiting === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  }
}
