/**
 * What failures of the binding mean to the head: fatal, to be waited for, or refused.
 * @module
 */
import { expect, test } from "bun:test";
import { StoreError, type StoreErrorCode, storeErrorOf } from "../../../runtime/io/storage/store_error.ts";

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

test("a file's failures are fatal, but for a full disk and a moment's lock", () => {
  const local: [Error, StoreErrorCode][] = [
    [failure("SQLITE_CONSTRAINT", "NOT NULL constraint failed: head.epoch"), "STORE_SUPERSEDED"],
    [failure("SQLITE_FULL", "SQLITE_FULL: database or disk is full"), "STORE_FULL"],
    [failure("SQLITE_BUSY", "SQLITE_BUSY: database is locked"), "STORE_UNAVAILABLE"],
    [failure("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_FSYNC: disk I/O error"), "STORE_IO"],
    [failure("SQLITE_IOERR", "SQLITE_IOERR: disk I/O error"), "STORE_IO"],
    [failure("SQLITE_CORRUPT", "SQLITE_CORRUPT: database disk image is malformed"), "STORE_CORRUPT"],
    [failure("SQLITE_NOTADB", "SQLITE_NOTADB: file is not a database"), "STORE_CORRUPT"],
    [failure("SQLITE_CONSTRAINT", "NOT NULL constraint failed: tasks.name"), "STORE_BUG"],
    [failure("SQLITE_ERROR", "SQLITE_ERROR: no such table: tasks"), "STORE_BUG"],
    [new RangeError("Only finite numbers can be passed as arguments"), "STORE_BUG"],
    [new Error("something new"), "STORE_IO"],
  ];
  for (const [error, code] of local) {
    const known = storeErrorOf(error, false);
    expect([error.message, known.code]).toEqual([error.message, code]);
    expect([code, known.isTransient]).toEqual([code, code === "STORE_FULL" || code === "STORE_UNAVAILABLE"]);
    expect(known.cause).toBe(error);
  }
});

test("a server's silence is waited for; its refusals and its corruption are not", () => {
  const refused = new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:9") });
  const remote: [Error, StoreErrorCode][] = [
    [refused, "STORE_UNAVAILABLE"],
    [new DOMException("The operation timed out.", "TimeoutError"), "STORE_UNAVAILABLE"],
    [failure("SERVER_ERROR", "Server returned HTTP status 503"), "STORE_UNAVAILABLE"],
    [failure("SERVER_ERROR", "Server returned HTTP status 401"), "STORE_UNAUTHORIZED"],
    [failure("SQLITE_CONSTRAINT", "NOT NULL constraint failed: head.epoch"), "STORE_SUPERSEDED"],
    [failure("SQLITE_CORRUPT", "SQLite error: database disk image is malformed"), "STORE_CORRUPT"],
  ];
  for (const [error, code] of remote) {
    expect([error.message, storeErrorOf(error, true).code]).toEqual([error.message, code]);
  }
  expect(storeErrorOf(refused, true).message).toContain("ECONNREFUSED");
});

test("a store error stays what it is", () => {
  const error = new StoreError("STORE_NEWER", "version 99");
  expect(storeErrorOf(error, true)).toBe(error);
});
