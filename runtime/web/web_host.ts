/**
 * The core worker's host in a page or an edge function: no memory of a node's, and no code that came from elsewhere is run
 * (a page's policy forbids it, rightly).
 * @module
 */
import type { CoreHost } from "../io/core_worker/core_host.ts";

/** See the module's header. */
export const webHost: CoreHost = {
  openFolders: null,
  openPool: null,
  loadCodec: ({ name }) => {
    throw new TypeError(
      `an instance of ${name} cannot be read here, because code from the cluster does not run in a page: ` +
        `registerClass(${name}, …) in the page as well, the same as where it was made`,
    );
  },
  collectGarbage: () => undefined,
  lostMessage: "The connection to the cluster is lost: what was pending has failed, and init() connects anew",
};
