/**
 * Actors as rows for people: what the GCS says of each, and how its calls fare as far as its node has told.
 * @module
 */
import { fromUnits } from "../../common/resources.ts";
import type { ActorSpec, ActorStatus, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { ActorFigures } from "../../protocol/node_rows.ts";
import type { ActorDto } from "../../../dashboard/api_types.ts";
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
interface ActorFacts {
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
  readonly table: GroupTable<ActorFacts, ActorDto> = new GroupTable({
    cap: ACTORS_SHOWN,
    rank: (actor) => (actor.status.state === "DEAD" ? 0 : 1e15) + actor.updatedMs / 1e3,
    row: (_, actor) => actorDto(actor),
  });
  readonly ended: EndedKeys = new EndedKeys(DEAD_ACTORS_MAX);
  alive = 0;

  /** All that are known, as they are now; a row is made when it is asked for. */
  *entries(): Iterable<
    { readonly actorId: string; readonly createdMs: number; readonly row: () => ActorDto }
  > {
    for (const [actorId, facts] of this.table.groups) {
      yield { actorId, createdMs: facts.createdMs, row: () => actorDto(facts) };
    }
  }

  /** The spec and the times may be left out when they were given before. */
  apply(status: ActorStatus, spec: ActorSpec | null, times: ActorTimes | null, nowMs: number): void {
    const { actorId } = status;
    const before = this.table.groups.get(actorId);
    this.table.groups.set(actorId, {
      status,
      spec: spec ?? before?.spec ?? null,
      createdMs: times?.createdMs ?? before?.createdMs ?? nowMs,
      startedMs: times?.startedMs ?? before?.startedMs ?? null,
      endedMs: times?.endedMs ?? before?.endedMs ?? null,
      updatedMs: nowMs,
      figures: before === undefined ? null : figuresAfter(before, status),
    });
    this.table.touch(actorId);
    this.alive += (status.state === "ALIVE" ? 1 : 0) - (before?.status.state === "ALIVE" ? 1 : 0);
    if (status.state !== "DEAD") return;
    const forget = this.ended.add(actorId);
    if (forget !== null) this.table.remove(forget);
  }

  /** News of the dead, and of an incarnation that is over, come late. */
  applyFigures({ actorId, incarnation, ...figures }: ActorFigures): void {
    const facts = this.table.groups.get(actorId);
    if (facts === undefined || facts.status.state === "DEAD" || facts.status.incarnation !== incarnation) {
      return;
    }
    facts.figures = figures;
    this.table.touch(actorId);
  }
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
    // Not every new incarnation is a restart: one that never ran may have been placed again.
    numRestarts: lasting.maxRestarts < 0
      ? Math.max(0, status.incarnation - 1)
      : Math.max(0, lasting.maxRestarts - status.restartsLeft),
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
