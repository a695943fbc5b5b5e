/**
 * A driver in a page or an edge function: it connects to the head's HTTP port, which joins it to an agent. Its job ends when
 * it is shut down, when the page goes, or when the connection breaks: then everything pending fails.
 * @module
 */
import { PROTOCOL_VERSION } from "../common/config.ts";
import { installErrorMatching } from "../common/error_matching.ts";
import { MobulaError } from "../common/errors.ts";
import { driverId } from "../common/ids.ts";
import type { Cluster } from "../common/public_types.ts";
import { randomHex } from "../io/core_worker/core_host.ts";
import { CoreWorker } from "../io/core_worker/core_worker.ts";
import { currentCoreWorker, setCurrentCoreWorker } from "../io/core_worker/current.ts";
import { deferFinalizers } from "../io/core_worker/finalizers.ts";
import type { BytePipe } from "../io/transport/byte_pipe.ts";
import { Connection } from "../io/transport/connection.ts";
import { HANDSHAKE_LIMITS, sayHello } from "../io/transport/hello.ts";
import { Rpc } from "../io/transport/rpc.ts";
import { prefixOf } from "../common/line_prefix.ts";
import type { AgentMethods, CoreMethods } from "../protocol/messages.ts";
import { WEB_DRIVER_PATH, WEB_SEND_PATH } from "../protocol/web_pipe.ts";
import { openFetchPipe } from "./fetch_pipe.ts";
import type { WebInitOptions } from "./options.ts";
import { webHost } from "./web_host.ts";
import { openWebSocket } from "./web_socket_pipe.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** What a page has besides what every runtime has. */
interface PageGlobals {
  readonly location?: { readonly origin: string; readonly pathname: string };
  addEventListener?(type: "pagehide", listener: () => void): void;
  removeEventListener?(type: "pagehide", listener: () => void): void;
}
const page = globalThis as PageGlobals;

/** See the module's header. */
export class WebDriver implements Cluster {
  readonly core: CoreWorker;
  readonly attached: Promise<void>;
  readonly #options: WebInitOptions;
  readonly #url: URL;
  #address = "";
  #ending: Promise<void> | null = null;
  readonly #onPageHide = (): void => void this.end();

  constructor(options: WebInitOptions, url: URL) {
    this.#options = options;
    this.#url = url;
    installErrorMatching();
    deferFinalizers();
    this.core = new CoreWorker({
      self: driverId(randomHex(6)),
      host: webHost,
      isRemote: true,
      ...(options.runtimeEnv !== undefined && { runtimeEnv: options.runtimeEnv }),
      connectWorker: () => Promise.reject(new Error("a page has no socket of a worker")),
      onMessage: (level, text) => {
        if (options.logToDriver === false) return;
        (level === "info" ? console.info : console.warn)(`mobula ${level}: ${text}`);
      },
      onOutput: (batches) => {
        for (const batch of batches) {
          const print = batch.level === "error" ? console.error : console.info;
          for (const line of batch.lines) print(`${prefixOf(batch)} ${line}`);
        }
      },
    });
    setCurrentCoreWorker(this.core);
    this.attached = this.#attach().catch(async (error) => {
      this.core.fail(error as Error);
      await this.end();
      throw error;
    });
    this.attached.catch(() => undefined); // init() reports it, and everything that waits fails with it.
    page.addEventListener?.("pagehide", this.#onPageHide);
  }

  get address(): string {
    return this.#address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /** End the job. Idempotent. */
  end(): Promise<void> {
    return this.#ending ??= this.#end();
  }

  async #end(): Promise<void> {
    page.removeEventListener?.("pagehide", this.#onPageHide);
    const { core } = this;
    const { jobId } = core.identity;
    if (core.closedReason === null) {
      // Both leave at once: a page that goes away waits for nothing.
      const history = core.finish();
      if (jobId) await core.link.request("endJob", { jobId }).catch(() => undefined);
      await history;
    }
    core.close(new MobulaError("The driver was shut down", { code: "ShutDown" }));
    core.link.close();
    // A next driver may have begun already.
    if (currentCoreWorker() === core) setCurrentCoreWorker(null);
  }

  async #attach(): Promise<void> {
    const pipe = await this.#openPipe();
    const connection = new Connection(pipe, { name: this.#url.origin, limits: HANDSHAKE_LIMITS });
    await sayHello(connection, {
      version: PROTOCOL_VERSION,
      token: this.#options.token,
      role: "driver",
      id: this.core.identity.self,
      clusterId: null,
      epoch: 0,
      pid: 0,
      runtime: "web",
      purpose: "control",
    });
    const rpc = new Rpc<CoreMethods, AgentMethods>(connection, this.core.handlers);
    const { location } = page;
    const { result } = await rpc.request("registerDriver", {
      namespace: this.#options.namespace ?? null,
      quiet: this.#options.logToDriver === false,
      entrypoint: location === undefined ? "an edge function" : `${location.origin}${location.pathname}`,
    });
    const { identity } = this.core;
    identity.node = result.nodeId;
    identity.jobId = result.jobId;
    identity.namespace = result.namespace;
    this.#address = result.address;
    this.core.open(rpc);
  }

  #openPipe(): Promise<BytePipe> {
    // The head may be served below some path of a proxy's.
    const base = this.#url.pathname.replace(/\/*$/, "");
    const driverUrl = new URL(base + WEB_DRIVER_PATH, this.#url);
    const transport = this.#options.transport ?? (typeof WebSocket === "undefined" ? "fetch" : "websocket");
    if (transport === "websocket") return openWebSocket(driverUrl, CONNECT_TIMEOUT_MS);
    return openFetchPipe(driverUrl, new URL(base + WEB_SEND_PATH, this.#url), CONNECT_TIMEOUT_MS);
  }
}
