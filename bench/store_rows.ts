/**
 * Rows into the GCS's store (libSQL, a process of its own), as the head writes them: durable when they count.
 * @module
 */
import { join } from "node:path";
import { openStore } from "../runtime/io/storage/store_client.ts";
import type { Contestant } from "./timing.ts";

/** The two ways in which rows are written: in bulk behind, and one at a time with somebody waiting. */
export interface StoreRows {
  readonly bulk: Contestant;
  readonly single: Contestant;
  close(): Promise<void>;
}

export async function openStoreRows(folder: string): Promise<StoreRows> {
  const store = await openStore({
    url: null,
    dir: join(folder, "store"),
    runtime: "bun",
    clusterId: "c-bench",
    onFatal: (error) => {
      throw error;
    },
  });
  let next = 0;
  const write = (): void => {
    next += 1;
    const objectId = `o-bench0000-${next.toString(36)}.0`;
    const put = {
      objectId,
      bytes: next,
      home: "n-0123456789abcdef",
      owner: "w-0123456789ab",
      isError: 0,
      producer: "task",
    };
    store.write({ table: "objects", put });
  };
  return {
    bulk: {
      name: "mobula",
      slice: async (operations) => {
        for (let index = 0; index < operations; index++) write();
        await store.committed();
      },
    },
    single: {
      name: "mobula",
      slice: async (operations, lap) => {
        for (let index = 0; index < operations; index++) {
          write();
          await store.committed();
          lap();
        }
      },
    },
    close: () => store.close(),
  };
}
