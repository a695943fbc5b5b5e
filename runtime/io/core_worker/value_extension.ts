/**
 * What travels inside values beside data: refs, actor handles, remote functions, placement groups and library actors. Encoding one counts it at its home;
 * decoding one makes the receiver a holder.
 * @module
 */
import { MobulaError } from "../../common/errors.ts";
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { ActorOptions, TaskOptions } from "../../common/public_types.ts";
import { type GroupInfo, groupInfoOf } from "../../common/placement_group.ts";
import { packedFolder, runtimeEnvOf } from "../../common/runtime_env.ts";
import type { ValueExtension } from "../../protocol/serialization/mod.ts";
import type { HandleInfo } from "./handle_info.ts";
import type { MethodInfo } from "./own_call.ts";
import { clientOf, isActorHandle } from "./actor_handle.ts";
import type { ActorManager } from "./actors.ts";
import { libraryParts, libraryValue } from "./library/library_values.ts";
import { isObjectRef } from "./object_ref.ts";
import type { ObjectManager } from "./objects.ts";
import { PlacementGroup } from "./placement_group.ts";
import { RemoteClass, RemoteCode, RemoteFunction } from "./remote_function.ts";
import type { ValueCodec } from "./value_codec.ts";
import type { CoreWorker } from "./core_worker.ts";

interface CodeData {
  readonly kind: "function" | "class";
  readonly hash: string;
  readonly name: string;
  readonly streams: boolean;
  readonly methods: Readonly<Record<string, MethodInfo>>;
  readonly options: TaskOptions | ActorOptions;
}

/** The extension for one core worker. */
export function valueExtension(
  core: CoreWorker,
  parts: { codec: ValueCodec; objects: ObjectManager; actors: ActorManager },
): ValueExtension {
  const { codec, objects, actors } = parts;
  const encodeCode = (value: RemoteFunction | RemoteClass): CodeData => {
    const record = value.code.recordIn(core);
    // Whoever receives it finds the source in the function table.
    void core.functions.export(record).catch(() => undefined);
    const { name, streams, methods } = value.code.definition;
    return {
      kind: value.code.kind,
      hash: record.hash,
      name,
      streams,
      methods,
      options: travelling(value.givenOptions, core),
    };
  };
  return {
    encode(value) {
      if (isObjectRef(value)) {
        const entry = objects.entryOf(value, "a ref inside a value");
        const target = objects.lend(entry);
        codec.met(target, () => entry);
        return { tag: "ref", data: [target.id, target.home] };
      }
      if (isActorHandle(value)) {
        const { info } = clientOf(value, "an actor handle inside a value");
        if (info.counted) {
          if (info.home === "") {
            throw new MobulaError("await init() before a handle is passed inside a value");
          }
          const target = { id: info.actorId, home: info.home };
          codec.met(target, () => core.actorUses.begin(target));
        }
        return { tag: "actor", data: info };
      }
      const library = libraryParts(value);
      if (library !== null) return { tag: "library", data: library };
      const group = groupInfoOf(value);
      if (group !== null) return { tag: "group", data: group };
      if (value instanceof RemoteFunction || value instanceof RemoteClass) {
        if (core.isRestricted) {
          throw new TypeError(
            "a remote function or class cannot leave a restricted worker: others would run it unrestricted",
          );
        }
        return { tag: "code", data: encodeCode(value) };
      }
      return undefined;
    },
    decode(tag, data) {
      if (tag === "ref") {
        const [id, home] = data as [ObjectId, NodeId];
        if (typeof id !== "string" || typeof home !== "string") {
          throw new TypeError("a ref without id or home");
        }
        return objects.arrivedRef({ id, home });
      }
      if (tag === "actor") return actors.handleOf(data as HandleInfo);
      if (tag === "code") return decodeCode(data as CodeData);
      if (tag === "library") return libraryValue(data);
      if (tag === "group") return new PlacementGroup(data as GroupInfo);
      throw new TypeError(`a value of unknown kind ${JSON.stringify(tag)}`);
    },
  };
}

function decodeCode(data: CodeData): RemoteFunction | RemoteClass {
  const { hash, name, streams, methods, kind } = data;
  const code = new RemoteCode(kind, { hash, name, streams, methods, captures: null, source: null });
  return kind === "function"
    ? new RemoteFunction(code, data.options as TaskOptions)
    : new RemoteClass(code, data.options as ActorOptions);
}

/** Error classes do not travel; their names are matched instead, which `retryExceptions: true` cannot express. */
function travelling(options: TaskOptions | ActorOptions, core: CoreWorker): TaskOptions | ActorOptions {
  const { captures: _captures, ...rest } = options as TaskOptions;
  if (rest.signal !== undefined) {
    throw new TypeError(
      "a remote function with the option signal cannot travel: an AbortSignal is this process's own",
    );
  }
  const { folder } = runtimeEnvOf(undefined, rest.runtimeEnv);
  if (folder !== undefined) {
    // A path means nothing elsewhere.
    const { excludes: _excludes, ...env } = rest.runtimeEnv!;
    rest.runtimeEnv = { ...env, workingDir: packedFolder(core.workingDirs.hashNow(folder)) };
  }
  if (Array.isArray(rest.retryExceptions)) {
    return {
      ...rest,
      retryExceptions: rest.retryExceptions.map((cls) => typeof cls === "string" ? cls : cls.name) as never,
    };
  }
  return rest;
}
