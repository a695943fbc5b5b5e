/**
 * At most one live worker for each actor incarnation, always; and after quiescence: what the GCS says of every actor is what
 * runs, acknowledged actors are not forgotten, names are unique and durable.
 * @module
 */
import type { ActorStatus } from "../../../runtime/common/task_spec.ts";
import type { SimWorld } from "../sim_world.ts";

export function checkIncarnations(world: SimWorld): void {
  const seen = new Map<string, string>();
  for (const worker of world.workers.values()) {
    if (worker.actor === null || !worker.agent.host.alive) continue;
    const key = `${worker.actor.spec.actorId}/${worker.actor.incarnation}`;
    const other = seen.get(key);
    if (other !== undefined) world.fail(`${key} runs in ${worker.id} and in ${other}`);
    seen.set(key, worker.id);
  }
}

/** Always: an actor has been alive, as far as anybody was told, no more often than its restarts allow. */
export function checkRestarts(world: SimWorld): void {
  const lives = new Map<string, Set<number>>();
  world.head.store.onActor = ({ spec, status }) => {
    if (status.state === "DEAD") checkCause(world, status);
    if (status.state !== "ALIVE" || spec.maxRestarts < 0) return;
    let seen = lives.get(spec.actorId);
    if (seen === undefined) lives.set(spec.actorId, seen = new Set());
    seen.add(status.incarnation);
    if (seen.size > spec.maxRestarts + 1) {
      world.fail(`${spec.actorId} is alive for the ${seen.size}th time, with ${spec.maxRestarts} restarts`);
    }
  };
}

/** Nothing dies that might be restarted, and nothing is killed that nobody asked to kill. */
function checkCause(world: SimWorld, { actorId, restartsLeft, deathCause }: ActorStatus): void {
  const { code, message } = deathCause!;
  const book = world.actors.get(actorId)!;
  const isEnd = code === "WORKER_DIED" || code === "NODE_DIED" || code === "EXITED";
  if (isEnd && restartsLeft !== 0 && !book.dropped) {
    world.fail(`${actorId} is dead with ${restartsLeft} restarts left: ${message}`);
  }
  if (code === "KILLED" && !book.killed && restartsLeft !== 0) {
    world.fail(`${actorId} is dead with ${restartsLeft} restarts left, and nobody has killed it: ${message}`);
  }
}

export function checkActorsTrue(world: SimWorld): void {
  const gcs = world.head.gcs!;
  const running = new Map<string, string>();
  for (const worker of world.workers.values()) {
    if (worker.actor === null) continue;
    const { spec, incarnation } = worker.actor;
    running.set(spec.actorId, worker.id);
    const status = gcs.actors.record(spec.actorId)?.status;
    if (status?.state !== "ALIVE" || status.workerId !== worker.id || status.incarnation !== incarnation) {
      world.fail(`${worker.id} hosts ${spec.actorId}/${incarnation}, the GCS says ${JSON.stringify(status)}`);
    }
  }
  const names = new Map<string, string>();
  for (const { spec, status } of gcs.actors.records()) {
    if (status.state === "DEAD") continue;
    if (status.state !== "ALIVE") {
      world.fail(`${spec.actorId} is ${status.state} for ever: ${JSON.stringify(status)}`);
    }
    if (!spec.detached && !gcs.jobs.isRunning(spec.jobId)) {
      world.fail(`${spec.actorId} lives on after its job ${spec.jobId}`);
    }
    if (running.get(spec.actorId) !== status.workerId) {
      world.fail(`the GCS says that ${spec.actorId} is alive in ${status.workerId}, which does not run it`);
    }
    if (spec.name === "") continue;
    const other = names.get(spec.name);
    if (other !== undefined) world.fail(`${spec.actorId} and ${other} both have the name ${spec.name}`);
    names.set(spec.name, spec.actorId);
    const stored = world.head.store.nameHolder(spec.namespace, spec.name);
    if (stored !== spec.actorId) {
      world.fail(`${spec.actorId} has the name ${spec.name}, the store says ${stored}`);
    }
  }
  for (const book of world.actors.values()) {
    if (book.acknowledged && gcs.actors.record(book.actorId) === null) {
      world.fail(`${book.actorId} was acknowledged and is forgotten`);
    }
  }
  for (const driver of world.drivers) {
    if (!driver.isAlive) continue;
    for (const [actorId, status] of driver.statuses) {
      const truth = gcs.actors.record(status.actorId)?.status;
      if (truth?.state !== status.state || truth.incarnation !== status.incarnation) {
        world.fail(`${driver.id} believes that ${actorId} is ${status.state}, it is ${truth?.state}`);
      }
    }
  }
}
