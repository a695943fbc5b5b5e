/**
 * What this node answers about the log files of its session's folder, which it may share with other agents of the host.
 * @module
 */
import { folderId } from "../io/logs/log_folder.ts";
import type { Handlers } from "../io/transport/rpc.ts";
import type { NodeMethods } from "../protocol/messages.ts";
import type { AgentParts } from "./agent_handlers.ts";

export function logHandlers(parts: () => AgentParts): Handlers<NodeMethods> {
  return {
    logFolder: () => ({ folder: folderId(parts().logFolder) }),
    searchLogs: ({ query }) => parts().logs.search(query),
    logFiles: async () => ({ files: await parts().logs.files() }),
    logPart: async ({ file, at, before, count }) => ({
      part: await parts().logs.part(file, at, before, count),
    }),
    logText: async ({ file, at }) => ({ text: await parts().logs.text(file, at) }),
  };
}
