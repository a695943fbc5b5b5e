/**
 * Unix sockets by `node:net`, for runtimes whose own are no better.
 * @module
 */
import { connect, createServer } from "node:net";
import type { ConnectLocal, ListenLocal } from "./platform.ts";

export const connectByNet: ConnectLocal = (path, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    socket.once("error", fail);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeListener("error", fail);
      resolve(socket);
    });
  });

export const listenByNet: ListenLocal = (path, onPipe) =>
  new Promise((resolve, reject) => {
    const server = createServer(onPipe);
    server.once("error", reject);
    server.listen(path, () => {
      server.removeListener("error", reject);
      // An accept that fails (too many open files) must not end the process: the next one may succeed.
      server.on("error", () => undefined);
      resolve({ close: () => new Promise((closed) => server.close(() => closed())) });
    });
  });
