/**
 * A worker process: a core worker that also executes. It listens for pushes on its own socket, registers with its agent,
 * and then runs tasks, or is one actor. It ends when its agent says so or is gone.
 * @module
 */
import { readFileSync } from "node:fs";
import { runtimeName } from "#platform";
import { PROTOCOL_VERSION } from "../common/config.ts";
import { LOG_LINES_MAX } from "../common/error_report.ts";
import { taskErrorOf } from "../common/errors.ts";
import { installErrorMatching } from "../common/error_matching.ts";
import { creationTaskId, type JobId, type NodeId, type ProcessId } from "../common/ids.ts";
import { WorkerRetirement } from "../io/core_worker/worker_retirement.ts";
import type { ActorSpec, RuntimeEnvSpec } from "../common/task_spec.ts";
import type { AgentMethods, CoreMethods, Hello } from "../protocol/messages.ts";
import type { Connection } from "../io/transport/connection.ts";
import { Gate } from "../io/transport/handshake.ts";
import { Reply, Rpc } from "../io/transport/rpc.ts";
import { connectUnix, listenUnix, type UnixListener } from "../io/transport/unix.ts";
import { useUserStacks } from "../io/code_bundle/bundle_stacks.ts";
import { isLogged } from "../io/environment.ts";
import { beforeCodeRuns } from "../io/function_loader.ts";
import { readArguments } from "../io/core_worker/arguments.ts";
import { Caller, loadCode } from "../io/core_worker/caller.ts";
import { CoreWorker } from "../io/core_worker/core_worker.ts";
import { setCurrentCoreWorker } from "../io/core_worker/current.ts";
import { ExecutionContext, TaskContext } from "../io/core_worker/execution_context.ts";
import { Executor } from "../io/core_worker/executor.ts";
import { assignmentOf, HostedActors } from "../io/core_worker/hosted_actors.ts";
import { collectWhenIdle } from "../io/core_worker/idle_collector.ts";
import { runShutdownHook } from "../io/core_worker/shutdown_hook.ts";
import { makeDurable } from "../io/core_worker/durable_actor.ts";
import { nodeHost } from "../io/core_worker/node_host.ts";
import { connectWorker } from "../io/core_worker/push_connection.ts";
import { VisibleDevices } from "../io/core_worker/visible_devices.ts";
import { setWorkerState, type WorkerState } from "../io/core_worker/worker_state.ts";
import { WorkerOutput } from "./worker_output.ts";

/** What the agent tells a worker that it starts, in MOBULA_PROCESS_CONFIG. */
export interface WorkerConfig {
  readonly sessionDir: string;
  readonly agentSocket: string;
  /** Where it listens for pushes. */
  readonly socketPath: string;
  readonly workerId: ProcessId;
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly tokenPath: string;
  /** Whether the node has GPUs: tasks and actors are told which ones are theirs. */
  readonly hasGpus: boolean;
  readonly runtimeEnv: RuntimeEnvSpec;
  /** Of a restricted worker: what it has instead of the token. Null: it reads the token. */
  readonly secret: string | null;
  /** The worker's parent, unless something between them starts it. */
  readonly agentPid: number;
}

const NOTHING = (): void => {};

/** Why an actor is dead that called exitActor(); one that was told to end has another reason already. */
const EXITED = "it called exitActor()";

/** See the module's header. */
export class Worker {
  readonly #config: WorkerConfig;
  readonly #token: string;
  readonly #context = new ExecutionContext();
  readonly #core: CoreWorker;
  readonly #executor: Executor;
  /** The light actors of this process, if it is a host of such. */
  readonly #hosted: HostedActors;
  readonly #devices: VisibleDevices | null;
  readonly #state: WorkerState;
  readonly #output: WorkerOutput;
  readonly #retirement: WorkerRetirement;
  #listener: UnixListener | null = null;
  #exiting = false;

  private constructor(config: WorkerConfig) {
    this.#config = config;
    this.#token = config.secret ?? readFileSync(config.tokenPath, "utf8").trim();
    const membership = { token: this.#token, clusterId: config.clusterId, role: "worker" as const };
    this.#core = new CoreWorker({
      self: config.workerId,
      node: config.nodeId,
      host: nodeHost,
      ownEnv: config.runtimeEnv,
      // A restricted one has no way but its agent: neither to memory nor to other workers.
      isRemote: config.secret !== null,
      isRestricted: config.secret !== null,
      connectWorker: (address, core) => connectWorker(address, core, membership),
      currentTask: () => this.#context.current,
      linesOf: (task) => this.#output.linesOf(task, LOG_LINES_MAX),
      blocking: { enter: () => this.#hosted.isHost ? NOTHING : this.#executor.enter() },
      onMessage: (level, text) => {
        if (isLogged(level)) console.error(`mobula ${level}: ${text}`);
      },
    });
    // A restricted one cannot reach a GPU.
    const showsDevices = config.hasGpus && config.secret === null;
    this.#devices = showsDevices ? new VisibleDevices(config.runtimeEnv.env) : null;
    this.#executor = new Executor(this.#core, this.#context, this.#devices, () => this.#exit(1));
    this.#hosted = new HostedActors(this.#core, this.#context, this.#devices, config.nodeId);
    this.#state = { context: this.#context, actor: null, leave: () => this.#leaveAsActor() };

    this.#output = new WorkerOutput({
      origin: { node: config.nodeId, worker: config.workerId, pid: process.pid },
      context: () => this.#context.current,
      actor: () => this.#state.actor,
      job: () => this.#core.identity.jobId,
    });
    this.#retirement = new WorkerRetirement(this.#core, this.#executor, () => this.#exitGracefully());
  }

  /** Start; resolves when the agent knows that it is ready. */
  static async start(config: WorkerConfig): Promise<Worker> {
    const worker = new Worker(config);
    worker.#output.install();
    // Elsewhere the runtime itself writes to them, warnings for one.
    if (runtimeName !== "bun") worker.#output.codeComes(null);
    else beforeCodeRuns((source) => worker.#output.codeComes(source));
    installErrorMatching();
    setCurrentCoreWorker(worker.#core);
    setWorkerState(worker.#state);
    await worker.#listen();
    await worker.#join();
    collectWhenIdle(worker.#core, {
      get isIdle() {
        return worker.#executor.isIdle && worker.#executor.actor === null && !worker.#hosted.isHost;
      },
    });
    return worker;
  }

  async #listen(): Promise<void> {
    const { clusterId, workerId, nodeId, socketPath } = this.#config;
    const gate = new Gate({
      token: this.#token,
      clusterId,
      accept: (hello) =>
        hello.purpose === "push"
          ? { version: PROTOCOL_VERSION, clusterId, id: workerId, nodeId }
          : new Error(`a worker takes pushes only, not ${hello.purpose}`),
    });
    this.#listener = await listenUnix({
      path: socketPath,
      gate,
      folderExists: true,
      onConnection: (...args) => this.#accept(...args),
    });
  }

  #accept(connection: Connection, hello: Hello): void {
    const caller = new Caller(this.#core, connection, hello, {
      receive: (items) => this.#executor.receive(items),
      cancel: (from, order) => {
        this.#executor.cancel(from, order);
        this.#hosted.cancel(from, order);
      },
      hosts: (...actor) => this.#hosted.hosts(...actor),
      receiveHosted: (runs) => this.#hosted.receive(runs),
    });
    this.#retirement.add(caller);
    connection.onFrame = (type, _flags, header, sections) => caller.frame(type, header, sections);
    connection.onClose = () => {
      this.#retirement.delete(caller);
      this.#executor.forget(caller);
      this.#hosted.forget(caller);
      caller.closed();
    };
  }

  async #join(): Promise<void> {
    const { agentSocket, workerId, nodeId, clusterId, socketPath } = this.#config;
    const connection = await connectUnix({
      path: agentSocket,
      hello: {
        version: PROTOCOL_VERSION,
        token: this.#token,
        role: "worker",
        id: workerId,
        clusterId,
        epoch: 0,
        pid: process.pid,
        runtime: runtimeName,
        purpose: "control",
        nodeId,
      },
    });
    const rpc = new Rpc<CoreMethods, AgentMethods>(connection, {
      ...this.#core.handlers,
      assignJob: ({ jobId, namespace }) => this.#assignJob(jobId, namespace),
      startActor: (params, sections) => this.#startActor(params, sections[0]!),
      hostActors: (batch, sections) => {
        this.#assignJob(batch.common.jobId, batch.common.namespace);
        this.#hosted.host(batch, sections[0]!.slice());
      },
      dropActors: ({ actors, graceful }) => this.#hosted.drop(actors, graceful),
      exitWorker: () => void this.#exitGracefully(),
    });
    // Nothing of a worker outlives its agent.
    void rpc.closed.then(() => this.#exit(1));
    this.#core.open(rpc);
    await this.#core.link.request("registerWorker", { socketPath });
  }

  #assignJob(jobId: JobId, namespace: string): void {
    this.#core.identity.jobId = jobId;
    this.#core.identity.namespace = namespace;
  }

  async #startActor(
    { spec, incarnation, restarted, gpuIds }: CoreMethods["startActor"]["params"],
    args: Uint8Array,
  ): Promise<CoreMethods["startActor"]["result"] | Reply<CoreMethods["startActor"]["result"]>> {
    this.#assignJob(spec.jobId, spec.namespace);
    this.#state.actor = { spec, restarted };
    this.#devices?.show(gpuIds);
    const taskId = creationTaskId(spec.actorId);
    const assigned = assignmentOf(spec, gpuIds);
    const context = new TaskContext(() => taskId, `new ${spec.className}`, incarnation - 1, 0, assigned);
    try {
      const instance = await this.#construct(spec, args.slice(), context);
      const durable = await makeDurable(this.#core, { spec, incarnation, instance }, restarted);
      const actor = { ...spec, incarnation, instance, assigned, ...(durable && { durable }) };
      this.#executor.host(actor);
      this.#executor.measure(actor);
      return { failed: false, message: "" };
    } catch (thrown) {
      const { nodeId } = this.#config;
      useUserStacks(thrown);
      const error = taskErrorOf(thrown, {
        taskName: context.taskName,
        taskId,
        nodeId,
        attempt: context.attempt,
        workerPid: process.pid,
        logLines: this.#output.linesOf(context, LOG_LINES_MAX),
      });
      return new Reply({ failed: true, message: error.message }, [this.#core.codec.encodeError(error)]);
    } finally {
      this.#context.leave();
    }
  }

  async #construct(spec: ActorSpec, args: Uint8Array, context: Parameters<ExecutionContext["enter"]>[0]) {
    const { classHash: hash, className: name } = spec;
    // deno-lint-ignore no-explicit-any -- user code: a class with any constructor
    const cls = await loadCode(this.#core, { hash, kind: "class", name }, []) as new (
      ...values: any[]
    ) => object;
    for (;;) {
      try {
        const values = await this.#executor.inputs.resolveArguments(readArguments(this.#core, args));
        this.#context.enter(context);
        return new cls(...values) as Record<string, unknown>;
      } catch (error) {
        if (!await this.#core.codec.recover(error)) throw error;
      }
    }
  }

  /** WorkerState.leave. */
  #leaveAsActor(): boolean {
    if (this.#hosted.isHost) return this.#hosted.leaveCurrent();
    if (this.#executor.actor === null) return false;
    this.#executor.leave();
    if (!this.#exiting) this.#core.link.notify("leaving", { message: EXITED, drained: false });
    void this.#exitGracefully();
    return true;
  }

  /** End after what runs now; the actor's hook has its turn, then histories and replies leave. */
  async #exitGracefully(): Promise<void> {
    if (this.#exiting) return;
    this.#exiting = true;
    await Promise.all([this.#executor.idle(), this.#hosted.idle()]);
    const { actor } = this.#executor;
    if (actor !== null) {
      this.#core.link.notify("leaving", { message: EXITED, drained: true });
      await runShutdownHook(actor);
    }
    await this.#core.finish();
    this.#executor.flush();
    this.#core.link.close();
    await this.#listener?.close();
    this.#exit(0);
  }

  #exit(code: number): void {
    process.exit(code);
  }
}
