/**
 * Logs of the whole cluster. Agents of one host share their session's folder, so one of them is asked for it; the head reads
 * the folder of its own session itself, where dead workers, dead agents and earlier runs of the cluster left their files.
 * @module
 */
import type { NodeId } from "../common/ids.ts";
import {
  checkLogQuery,
  type LogAnswer,
  type LogFileRow,
  type LogPage,
  type LogPart,
  type LogQuery,
  type LogReader,
  type LogText,
} from "../common/log_query.ts";
import { mergePages } from "../core/logs/merge_pages.ts";
import { folderId } from "../io/logs/log_folder.ts";
import { LogSearcher } from "../io/logs/log_searcher.ts";
import type { HeadNodes } from "./head_nodes.ts";

/** A search answers within its own time; a node that is busy may take longer. */
const NODE_ANSWER_MS = 6_000;
const FOLDER_ANSWER_MS = 2_000;

export interface ClusterLogsParts {
  readonly nodes: Pick<HeadNodes, "ask">;
  readonly members: () => readonly NodeId[];
  /** Of the head's session. */
  readonly folder: string;
}

/** See the module's header. */
export class ClusterLogs implements LogReader {
  readonly #parts: ClusterLogsParts;
  readonly #own: LogSearcher;
  readonly #ownId: string;
  /** Folders of the nodes that said theirs. */
  readonly #folders = new Map<NodeId, string>();

  constructor(parts: ClusterLogsParts) {
    this.#parts = parts;
    this.#own = new LogSearcher(parts.folder);
    this.#ownId = folderId(parts.folder);
  }

  async search(query: LogQuery): Promise<LogAnswer> {
    checkLogQuery(query);
    const { nodes } = this.#parts;
    const { others, unreachable } = await this.#others();
    const pages: LogPage[] = [];
    await Promise.all([
      this.#own.search(query).then((page) => void pages.push(page)),
      ...others.map(async (node) => {
        const page = await nodes.ask(node, "searchLogs", { query }, NODE_ANSWER_MS);
        if (page === null) unreachable.push(node);
        else pages.push(page);
      }),
    ]);
    return { ...mergePages(pages, query.limit), unreachable };
  }

  async files(): Promise<{ files: LogFileRow[]; unreachable: NodeId[] }> {
    const { nodes } = this.#parts;
    const { others, unreachable } = await this.#others();
    const files = await this.#own.files();
    await Promise.all(others.map(async (node) => {
      const answer = await nodes.ask(node, "logFiles", {}, NODE_ANSWER_MS);
      if (answer === null) unreachable.push(node);
      else files.push(...answer.files);
    }));
    return { files: files.sort((a, b) => b.changedMs - a.changedMs), unreachable };
  }

  async part(file: string, at: number, before: number, count: number): Promise<LogPart | null> {
    const own = await this.#own.part(file, at, before, count);
    if (own !== null) return own;
    const params = { file, at, before, count };
    const { others } = await this.#others();
    const answers = others.map((node) => this.#parts.nodes.ask(node, "logPart", params, NODE_ANSWER_MS));
    return (await Promise.all(answers)).find((answer) => answer?.part != null)?.part ?? null;
  }

  async text(file: string, at: number): Promise<LogText | null> {
    const own = await this.#own.text(file, at);
    if (own !== null) return own;
    const { others } = await this.#others();
    const answers = others.map((node) =>
      this.#parts.nodes.ask(node, "logText", { file, at }, NODE_ANSWER_MS)
    );
    return (await Promise.all(answers)).find((answer) => answer?.text != null)?.text ?? null;
  }

  close(): void {
    this.#own.close();
  }

  /** One node for each folder that is not the head's own. */
  async #others(): Promise<{ others: NodeId[]; unreachable: NodeId[] }> {
    const { nodes } = this.#parts;
    const members = this.#parts.members();
    const unreachable: NodeId[] = [];
    for (const known of this.#folders.keys()) if (!members.includes(known)) this.#folders.delete(known);
    await Promise.all(members.map(async (node) => {
      if (this.#folders.has(node)) return;
      const answer = await nodes.ask(node, "logFolder", {}, FOLDER_ANSWER_MS);
      if (answer === null) unreachable.push(node);
      else this.#folders.set(node, answer.folder);
    }));
    const byFolder = new Map<string, NodeId>();
    for (const [node, folder] of this.#folders) if (folder !== this.#ownId) byFolder.set(folder, node);
    return { others: [...byFolder.values()], unreachable };
  }
}
