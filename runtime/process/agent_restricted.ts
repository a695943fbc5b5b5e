/**
 * The messages that a restricted worker may send to its agent, each checked against its capability (agent_sandbox.ts). What
 * is not listed is not answered: nothing of the head, no names, no actors of others.
 * @module
 */
import type { ObjectId } from "../common/ids.ts";
import { type Handlers, Reply } from "../io/transport/rpc.ts";
import { ByteReader } from "../protocol/serialization/mod.ts";
import type { AgentMethods } from "../protocol/messages.ts";
import type { AgentParts } from "./agent_handlers.ts";
import type { AttachedProcess } from "./agent_processes.ts";
import type { Sandbox } from "./agent_sandbox.ts";
import { visitArguments, visitObject, visitValue } from "./value_refs.ts";

type All = { readonly [K in keyof AgentMethods]: NonNullable<Handlers<AgentMethods>[K]> };

/** `all`: the handlers of an ordinary worker, which do what is allowed. */
export function restrictedHandlers(
  handlers: Handlers<AgentMethods>,
  process: AttachedProcess,
  sandbox: Sandbox,
  parts: AgentParts,
): Handlers<AgentMethods> {
  const all = handlers as All;
  const { registerWorker, taskEvents, blocked, leaving, cancelLease, leaseBacklog, cancelGet } = all;
  return {
    ...{ registerWorker, taskEvents, blocked, leaving, cancelLease, leaseBacklog, cancelGet },
    flushReferences: all.flushReferences,
    actorFigures: all.actorFigures,
    userMetrics: all.userMetrics,
    head: ({ method }) => sandbox.refuse(`ask the head for ${method}`),
    getActor: ({ name }) => sandbox.refuse(`look for the actor ${name}: pass it the handle`),
    relayFrame: all.relayFrame,
    closeRelay: all.closeRelay,
    ...codeHandlers(all, sandbox),
    ...workHandlers(all, process, sandbox, parts),
    ...objectHandlers(all, process, sandbox, parts),
    ...readHandlers(all, sandbox),
  };
}

function codeHandlers(all: All, sandbox: Sandbox): Handlers<AgentMethods> {
  return {
    exportFunction: (params, sections, context) => {
      sandbox.code(params.hash, params.kind);
      if (sections[1] !== undefined) visitValue(new ByteReader(sections[1]), sandbox.checks);
      return all.exportFunction(params, sections, context);
    },
    fetchFunction: async (params, sections, context) => {
      const reply = await all.fetchFunction(params, sections, context) as Reply<
        AgentMethods["fetchFunction"]["result"]
      >;
      // Who knows a hash has been given the code, and with it what it captured.
      if (reply.sections[1] !== undefined) visitValue(new ByteReader(reply.sections[1]), sandbox.grants);
      return reply;
    },
  };
}

function workHandlers(
  all: All,
  process: AttachedProcess,
  sandbox: Sandbox,
  { actors }: AgentParts,
): Handlers<AgentMethods> {
  return {
    requestLease: async (request, sections, context) => {
      sandbox.lease(request, process.jobId);
      const answer = await all.requestLease(
        request,
        sections,
        context,
      ) as AgentMethods["requestLease"]["result"];
      if ("grant" in answer) sandbox.leased.add(answer.grant.workerId);
      return answer;
    },
    returnLease: (params, sections, context) => {
      if (!sandbox.leased.delete(params.workerId)) sandbox.refuse(`return the lease of ${params.workerId}`);
      return all.returnLease(params, sections, context);
    },
    workerFate: (params, sections, context) => all.workerFate(params, sections, context),
    cancelTask: (params, sections, context) => {
      sandbox.use(params.id);
      return all.cancelTask(params, sections, context);
    },
    createActor: async (params, sections, context) => {
      sandbox.actor(params.spec, params.getIfExists, process.jobId);
      if (sections[0] !== undefined) visitArguments(sections[0], sandbox.checks);
      return await all.createActor(params, sections, context) as AgentMethods["createActor"]["result"];
    },
    watchActor: (params, sections, context) => {
      sandbox.use(params.actorId);
      return all.watchActor(params, sections, context);
    },
    killActor: (params, sections, context) => {
      sandbox.kill(params.actorId);
      return all.killActor(params, sections, context);
    },
    openRelay: (params, sections, context) => {
      const { workerId } = params;
      if (
        !sandbox.leased.has(workerId) &&
        !sandbox.actors.some((id) => actors.watches.workerOf(id) === workerId)
      ) {
        sandbox.refuse(`push to ${workerId}, which it does not lease`);
      }
      return all.openRelay(params, sections, context);
    },
  };
}

function objectHandlers(
  all: All,
  process: AttachedProcess,
  sandbox: Sandbox,
  { store }: AgentParts,
): Handlers<AgentMethods> {
  /** What is in an object that it may read, it may know. */
  const grantContents = (id: ObjectId): void => {
    const source = store.openRead(id);
    if (source === null) return;
    try {
      visitObject(source.size, (offset, length) => source.readNow(offset, length), sandbox.grants);
    } catch {
      // Too large to look through, or on disk alone: refs inside of it are not for restricted workers.
    } finally {
      source.close();
    }
  };
  return {
    createObject: (params, sections, context) => {
      sandbox.make(params.id);
      return all.createObject(params, sections, context);
    },
    writeObject: (params, sections, context) => {
      sandbox.make(params.id);
      return all.writeObject(params, sections, context);
    },
    abortObject: (params, sections, context) => {
      sandbox.make(params.id);
      return all.abortObject(params, sections, context);
    },
    sealObject: (params, sections, context) => {
      sandbox.make(params.id, params.owner);
      sandbox.contains(params.contains);
      const made = store.openCreation(process.id, params.id);
      if (made !== null) {
        visitObject(made.size, (offset, length) => made.read(offset, length), sandbox.checks);
      }
      return all.sealObject(params, sections, context);
    },
    putInline: (params, sections, context) => {
      sandbox.make(params.id, params.owner);
      sandbox.contains(params.contains);
      const bytes = sections[0] ?? new Uint8Array(0);
      visitObject(
        bytes.length,
        (offset, length) => bytes.subarray(offset, offset + length),
        sandbox.checks,
      );
      return all.putInline(params, sections, context);
    },
    getObject: async (params, sections, context) => {
      sandbox.use(params.id);
      const answer = await all.getObject(params, sections, context);
      grantContents(params.id);
      return answer as Reply<AgentMethods["getObject"]["result"]>;
    },
    references: (params, sections, context) => {
      sandbox.changes(params.changes);
      return all.references(params, sections, context);
    },
  };
}

/** What names objects that it must know, and no more. */
function readHandlers(all: All, sandbox: Sandbox): Handlers<AgentMethods> {
  return {
    waitObject: (params, sections, context) => {
      sandbox.use(params.id);
      return all.waitObject(params, sections, context);
    },
    prefetch: (params, sections, context) => {
      for (const { id } of params.objects) sandbox.use(id);
      return all.prefetch(params, sections, context);
    },
    readObject: (params, sections, context) => {
      sandbox.use(params.id);
      return all.readObject(params, sections, context);
    },
    unpin: (params, sections, context) => {
      sandbox.use(params.id);
      return all.unpin(params, sections, context);
    },
  };
}
