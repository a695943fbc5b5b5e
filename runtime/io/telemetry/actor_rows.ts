/**
 * Actors as rows for people: what the GCS says of each, and how its calls fare as far as its node has told.
 * @module
 */
import { fromUnits } from "../../common/resources.ts";
import type { ActorSpec, ActorStatus, DeathCause, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { ActorFigures } from "../../protocol/node_rows.ts";
import type { ActorDto } from "../../../dashboard/api_types.ts";
import { ActorHistory } from "./actor_history.ts";
import { ActorIndex, type IndexedActor } from "./actor_index.ts";
import { ActorSamples } from "./actor_samples.ts";
import { EndedKeys } from "./cluster_rows.ts";
import { GroupTable } from "./group_table.ts";

const ACTORS_SHOWN = 200;
/** Dead ones that are remembered; the oldest go first and are counted. */
const DEAD_ACTORS_MAX = 2_000;

/** When what happened to an actor, milliseconds since the epoch. */
export interface ActorTimes {
  readonly createdMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  /** Why its last incarnation ended, as far as that is known. */
  readonly restartCause?: DeathCause;
}

/** What lasts as long as the actor. */
type Lasting = Pick<
  ActorDto,
  | "className"
  | "name"
  | "namespace"
  | "jobId"
  | "owner"
  | "isDetached"
  | "maxRestarts"
  | "maxTaskRetries"
  | "maxConcurrency"
  | "concurrencyGroups"
  | "requiredResources"
  | "placementGroupId"
  | "labelSelector"
  | "fallbackStrategy"
  | "runtimeEnv"
  | "callSite"
>;

/** What its worker tells. */
type Figures = Pick<
  ActorDto,
  "mailboxDepth" | "callsRunning" | "callsFinished" | "callsPerSecond" | "meanCallMs" | "reprName"
>;
const NO_FIGURES: Figures = {
  mailboxDepth: null,
  callsRunning: null,
  callsFinished: null,
  callsPerSecond: null,
  meanCallMs: null,
  reprName: null,
};

/** What is kept of an actor: there may be a hundred thousand, whose rows hardly anybody ever reads. */
export interface ActorFacts {
  readonly status: ActorStatus;
  /** Null until it was given. */
  readonly spec: ActorSpec | null;
  readonly createdMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  updatedMs: number;
  /** Null until it was called. */
  figures: Figures | null;
}

/** See the module's header. */
export class ActorRows {
  readonly index: ActorIndex = new ActorIndex(ACTORS_SHOWN);
  readonly history: ActorHistory = new ActorHistory();
  readonly samples: ActorSamples = new ActorSamples();
  readonly table: GroupTable<ActorFacts, ActorDto> = new GroupTable({
    cap: ACTORS_SHOWN,
    keys: () => this.index.shown(this.#lives()),
    row: (_, actor) => actorDto(actor),
  });
  readonly ended: EndedKeys = new EndedKeys(DEAD_ACTORS_MAX);
  alive = 0;
  /** Grows with every change of an actor, and of how its calls fare. */
  version = 0;

  /** All that are known, as they are now; a row is made when it is asked for. */
  *entries(): Iterable<
    { readonly actorId: string; readonly createdMs: number; readonly row: () => ActorDto }
  > {
    for (const [actorId, facts] of this.table.groups) {
      yield { actorId, createdMs: facts.createdMs, row: () => actorDto(facts) };
    }
  }

  all(): Iterable<Readonly<ActorFacts>> {
    return this.table.groups.values();
  }

  /** What is kept of one; undefined for one that is not known. */
  facts(actorId: string): Readonly<ActorFacts> | undefined {
    return this.table.groups.get(actorId);
  }

  row(actorId: string): ActorDto | null {
    const facts = this.facts(actorId);
    return facts === undefined ? null : actorDto(facts);
  }

  /** The spec and the times may be left out when they were given before. `cause`: why the incarnation before ended. True
   *  when its history is to be stored (ActorHistory.apply). */
  apply(
    status: ActorStatus,
    spec: ActorSpec | null,
    times: ActorTimes | null,
    nowMs: number,
    cause: DeathCause | null = null,
  ): boolean {
    const { actorId } = status;
    const before = this.table.groups.get(actorId);
    const now: ActorFacts = {
      status,
      spec: spec ?? before?.spec ?? null,
      createdMs: times?.createdMs ?? before?.createdMs ?? nowMs,
      startedMs: times?.startedMs ?? before?.startedMs ?? null,
      endedMs: times?.endedMs ?? before?.endedMs ?? null,
      updatedMs: nowMs,
      figures: before === undefined ? null : figuresAfter(before, status),
    };
    this.version++;
    this.table.groups.set(actorId, now);
    this.table.touch(actorId);
    this.index.apply(before === undefined ? null : indexed(before), indexed(now));
    this.alive += (status.state === "ALIVE" ? 1 : 0) - (before?.status.state === "ALIVE" ? 1 : 0);
    const isNews = this.history.apply(status, now, cause, nowMs);
    if (status.state !== "DEAD") {
      this.ended.delete(actorId);
      return isNews;
    }
    const forget = this.ended.add(actorId);
    if (forget !== null) this.#forget(forget);
    return isNews;
  }

  /** News of the dead, and of an incarnation that is over, come late. */
  applyFigures(told: ActorFigures, nowMs: number): void {
    const { actorId, incarnation, ...figures } = told;
    const facts = this.table.groups.get(actorId);
    if (facts === undefined || facts.status.state === "DEAD" || facts.status.incarnation !== incarnation) {
      return;
    }
    this.version++;
    facts.figures = figures;
    this.samples.add(told, nowMs);
    this.table.touch(actorId);
  }

  *#lives(): Iterable<{ readonly actorId: string; readonly isDead: boolean }> {
    for (const [actorId, { status }] of this.table.groups) {
      yield { actorId, isDead: status.state === "DEAD" };
    }
  }

  #forget(actorId: string): void {
    const facts = this.table.groups.get(actorId);
    if (facts === undefined) return;
    this.index.forget(indexed(facts));
    this.history.forget(actorId);
    this.samples.forget(actorId);
    this.table.remove(actorId);
  }
}

function indexed({ status, spec }: ActorFacts): IndexedActor {
  return {
    actorId: status.actorId,
    className: spec?.className ?? "",
    state: status.state,
    restarts: restartsOf(status, spec?.maxRestarts ?? 0),
    groupId: spec?.strategy.type === "group" ? spec.strategy.groupId : null,
  };
}

/** Not every new incarnation is a restart: one that never ran may have been placed again. */
export function restartsOf({ incarnation, restartsLeft }: ActorStatus, maxRestarts: number): number {
  return Math.max(0, maxRestarts < 0 ? incarnation - 1 : maxRestarts - restartsLeft);
}

/** What is told of another incarnation says nothing of this one. */
function figuresAfter({ figures, status: before }: ActorFacts, status: ActorStatus): Figures | null {
  if (figures === null) return null;
  const isSame = before.incarnation === status.incarnation && status.state === "ALIVE";
  return isSame ? figures : { ...NO_FIGURES, reprName: figures.reprName };
}

function actorDto({ status, spec, figures, ...times }: ActorFacts): ActorDto {
  const lasting = spec === null ? UNKNOWN : lastingOfSpec(spec);
  return {
    actorId: status.actorId,
    ...lasting,
    state: status.state,
    nodeId: status.nodeId,
    workerId: status.workerId,
    pid: status.pid,
    incarnation: status.incarnation,
    numRestarts: restartsOf(status, lasting.maxRestarts),
    numLineageRestarts: status.lineageRestarts ?? 0,
    deathCause: status.deathCause?.code ?? null,
    deathMessage: status.deathCause?.message ?? null,
    ...times,
    ...(figures ?? NO_FIGURES),
  };
}

function lastingOfSpec(spec: ActorSpec): Lasting {
  const { strategy } = spec;
  return {
    className: spec.className,
    name: spec.name,
    namespace: spec.namespace,
    jobId: spec.jobId,
    owner: spec.owner,
    isDetached: spec.detached,
    maxRestarts: spec.maxRestarts,
    maxTaskRetries: spec.maxTaskRetries,
    maxConcurrency: spec.maxConcurrency,
    concurrencyGroups: spec.concurrencyGroups ?? null,
    requiredResources: fromUnits(spec.resources),
    placementGroupId: strategy.type === "group" ? strategy.groupId : null,
    labelSelector: spec.labelSelector ?? null,
    fallbackStrategy: spec.fallbackStrategy ?? null,
    runtimeEnv: shownEnv(spec.runtimeEnv),
    callSite: spec.callSite ?? null,
  };
}

/** Variables may hold secrets, and the hash tells them too: their names alone. Null for the plain one. */
function shownEnv({ hash, env, ...rest }: RuntimeEnvSpec): Record<string, unknown> | null {
  if (hash === "") return null;
  return { ...rest, ...(env !== undefined && { env: Object.keys(env) }) };
}

const UNKNOWN: Lasting = {
  className: "",
  name: "",
  namespace: "",
  jobId: "",
  owner: "",
  isDetached: false,
  maxRestarts: 0,
  maxTaskRetries: 0,
  maxConcurrency: 1,
  concurrencyGroups: null,
  requiredResources: {},
  placementGroupId: null,
  labelSelector: null,
  fallbackStrategy: null,
  runtimeEnv: null,
  callSite: null,
};
