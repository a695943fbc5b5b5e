/**
 * What one restricted worker may ask of its agent: its capability. It may use the objects and actors that it made, and those
 * that others gave it: as arguments, as results, or inside of such. It learns nothing else, and can pass nothing else on.
 * Everything that it says is checked here, since the code that runs in it may speak for it.
 * @module
 */
import { AuthenticationError } from "../common/errors.ts";
import { type ObjectId, type ProcessId, type TaskId, taskId, taskOfObject } from "../common/ids.ts";
import { restrictedPrefix, whyNotNarrower } from "../common/runtime_env.ts";
import type { ActorSpec, LeaseRequest, RuntimeEnvSpec, Strategy } from "../common/task_spec.ts";
import type { RefChange, RefTarget } from "../protocol/messages.ts";
import type { RefVisitor } from "./value_refs.ts";

/** Objects and actors of others that one restricted worker may know. */
const KNOWN_MAX = 1_000_000;
/** Tasks that it was given and whose results it may store; older ones are long done. */
const TASKS_MAX = 100_000;

export class Sandbox {
  readonly #self: ProcessId;
  readonly #env: RuntimeEnvSpec;
  /** `o-<self>-`: what it put, and the results of its own tasks. */
  readonly #ownPrefix: string;
  readonly #known: Set<string> = new Set();
  readonly #ownActors: Set<string> = new Set();
  /** Tasks that it runs or ran, and for whom. */
  readonly #tasks: Map<TaskId, ProcessId> = new Map();
  /** Workers that are leased to it: code may be sent there. */
  readonly leased: Set<ProcessId> = new Set();
  /** It was given these, or may know them: what is met in values for it. */
  readonly grants: RefVisitor;
  /** It says these: refused unless they are its to say. */
  readonly checks: RefVisitor;

  constructor(self: ProcessId, env: RuntimeEnvSpec) {
    this.#self = self;
    this.#env = env;
    this.#ownPrefix = `o-${self.slice(2)}-`;
    this.grants = { ref: (id) => this.grant(id), code: () => undefined };
    this.checks = {
      ref: (id) => this.use(id),
      code: () => this.#refuse("pass a remote function or class on: others would run it unrestricted"),
    };
  }

  grant(id: string): void {
    if (id.startsWith(this.#ownPrefix)) return;
    if (this.#known.size >= KNOWN_MAX) this.#refuse(`know more than ${KNOWN_MAX} objects`);
    this.#known.add(id);
  }

  /** Throws unless the object or actor is known to it. */
  use(id: string): void {
    if (typeof id !== "string") this.#refuse("use what has no id");
    if (id.startsWith(this.#ownPrefix) || this.#known.has(id) || this.#ownActors.has(id)) return;
    this.#refuse(`use ${id}: nobody gave it to it`);
  }

  knows(id: string): boolean {
    return this.#known.has(id) || this.#ownActors.has(id);
  }

  get actors(): string[] {
    return [...this.#known, ...this.#ownActors].filter((id) => id.startsWith("a-"));
  }

  /** It is given a task: it may store the results for the one that submitted it. */
  given(caller: ProcessId, sequence: number): void {
    this.givenAgain(caller, taskId(caller, sequence));
  }

  /** The same for a task whose results were lost, and which it runs again. */
  givenAgain(caller: ProcessId, id: TaskId): void {
    this.#tasks.delete(id);
    this.#tasks.set(id, caller);
    if (this.#tasks.size > TASKS_MAX) this.#tasks.delete(this.#tasks.keys().next().value!);
  }

  /** Throws unless it has submitted this task. */
  ownTask(id: TaskId): void {
    if (!id.startsWith(`t-${this.#self.slice(2)}-`)) this.#refuse(`have ${id} run again: it is not its own`);
  }

  /** Throws unless it may make this object, for this owner. */
  make(id: ObjectId, owner?: ProcessId): void {
    if (typeof id === "string") {
      if (id.startsWith(this.#ownPrefix) && (owner === undefined || owner === this.#self)) return;
      const task = taskOfObject(id);
      const caller = task === null ? undefined : this.#tasks.get(task);
      if (caller !== undefined && (owner === undefined || owner === caller)) return;
    }
    this.#refuse(`make ${String(id)}: it is neither its own nor a result of its tasks`);
  }

  contains(targets: readonly RefTarget[]): void {
    for (const { id } of targets) this.use(id);
  }

  changes(changes: readonly RefChange[]): void {
    for (const { op, id } of changes) {
      if (op === "hold" || op === "drop" || op === "dropContents") this.use(id);
      else if (String(id).startsWith("a-")) {
        // Its actor-to-be: nobody else knows the id yet. One that it was given is not its own.
        if (this.#known.has(id)) this.#refuse(`own ${id}`);
        this.#ownActors.add(id);
      } else if (!String(id).startsWith(this.#ownPrefix)) this.#refuse(`own ${id}`);
    }
  }

  /** Throws unless its tasks may have this environment. */
  environment(env: RuntimeEnvSpec | undefined): void {
    const why = env === undefined ? "it has none" : whyNotNarrower(env, this.#env);
    if (why !== null) {
      this.#refuse(`have work done with wider permissions than its own: ${why} (runtimeEnv.permissions)`);
    }
  }

  lease(request: LeaseRequest, jobId: string | null): void {
    this.environment(request.runtimeEnv);
    if (request.jobId !== jobId) this.#refuse(`lease for the job ${request.jobId}`);
    if (request.kind !== "task") this.#refuse("lease for an actor");
    for (const { id } of request.args) this.use(id);
    this.#group(request.strategy);
  }

  /** Only into a placement group that it was given. */
  #group(strategy: Strategy): void {
    if (strategy.type === "group") this.use(strategy.groupId);
  }

  actor(spec: ActorSpec, getIfExists: boolean, jobId: string | null): void {
    this.environment(spec.runtimeEnv);
    if (spec.jobId !== jobId || spec.owner !== this.#self) this.#refuse("make an actor for somebody else");
    if (spec.detached || spec.name !== "" || getIfExists) this.#refuse("name an actor or detach it");
    for (const { id } of spec.args) this.use(id);
    this.#group(spec.strategy);
    if (this.#known.has(spec.actorId)) this.#refuse(`make ${spec.actorId}, which exists`);
    this.#ownActors.add(spec.actorId);
  }

  kill(actorId: string): void {
    if (!this.#ownActors.has(actorId)) this.#refuse(`kill ${actorId}: it did not make it`);
  }

  /** Its code has hashes of its own, so that it can never take the place of somebody else's. */
  code(hash: string, kind: string): void {
    if ((kind !== "function" && kind !== "class") || !String(hash).startsWith(restrictedPrefix(this.#self))) {
      this.#refuse(`put a ${kind} under ${hash} into the function table`);
    }
  }

  refuse(what: string): never {
    this.#refuse(what);
  }

  #refuse(what: string): never {
    throw new AuthenticationError(`${this.#self} is a restricted worker and may not ${what}`);
  }
}
