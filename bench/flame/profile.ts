/**
 * A .cpuprofile as a tree of frames, and its samples told apart by what the code was there for: the phases of a task's way.
 * @module
 */

/** As V8, and Bun, write it: nodes of a call tree with the samples that ended in each. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
    readonly hitCount?: number;
    readonly children?: readonly number[];
  }[];
}

export type Phase =
  | "submit"
  | "encode"
  | "socket"
  | "decode"
  | "run"
  | "reply"
  | "settle"
  | "record"
  | "program"
  | "runtime";

/** A function as it was called from its parent. */
export interface Frame {
  readonly name: string;
  /** Below runtime/, or of the program; empty for what the JavaScript engine brings. */
  readonly file: string;
  readonly phase: Phase;
  /** Samples in it and in what it called. */
  total: number;
  self: number;
  readonly children: Frame[];
}

/** The first rule that a frame's "file function" fits says its phase; frames without one have their caller's. */
const RULES: readonly (readonly [RegExp, Phase])[] = [
  [/^io\/core_worker\/(recorder|task_history|call_meter|process_metrics)\.ts/, "record"],
  [/^io\/core_worker\/answers\.ts epochMs/, "record"],
  [/^(platform\/bun_sockets|io\/transport\/|io\/core_worker\/stay_awake)/, "socket"],
  [/^io\/core_worker\/(agent_link|rpc)\.ts/, "record"],
  [/^protocol\/(frames)\.ts (#emit|push|#received|#take)/, "decode"],
  [/^protocol\/frames\.ts/, "encode"],
  [/^protocol\/(serialization\/(byte_reader|decode_\w+))\.ts/, "decode"],
  [/(readReplies|readReplyHead|readPush|#readItems|#itemOf|readArguments|decode|primitive)$/, "decode"],
  [/^protocol\/(serialization\/(byte_writer|encode_\w+)|push)\.ts/, "encode"],
  [/^io\/core_worker\/value_codec\.ts/, "encode"],
  [/^io\/core_worker\/(answers|reply_batch)\.ts/, "reply"],
  [/^io\/core_worker\/(executor|execution_context|item_inputs|arguments|caller|loaded_function)\.ts/, "run"],
  [/^io\/core_worker\/(replies|entry|objects)\.ts/, "settle"],
  [/^io\/core_worker\/tasks\.ts (replies|#completed|#end|#leaseOf)/, "settle"],
  [/^core\/worker\/task_submitter\.ts (completed|#land)/, "settle"],
  [/^api\/(objects)\.ts/, "settle"],
  [/^(core\/worker\/|io\/core_worker\/|api\/|common\/)/, "submit"],
  [/^bench\//, "program"],
];

/** Its tree; the root has all samples. `root`: the folder whose runtime/ and bench/ the files are below. */
export function treeOf(profile: CpuProfile): Frame {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const build = (id: number, callerPhase: Phase): Frame => {
    const { callFrame, hitCount = 0, children = [] } = byId.get(id)!;
    const file = fileOf(callFrame.url);
    const name = callFrame.functionName || "(anonymous)";
    const phase = phaseOf(file, name) ?? callerPhase;
    const frame: Frame = { name, file, phase, self: hitCount, total: hitCount, children: [] };
    for (const child of children) merge(frame, build(child, phase));
    return frame;
  };
  return build(profile.nodes[0]!.id, "runtime");
}

/** One frame a function below the same caller, whatever the line that called it. */
function merge(parent: Frame, frame: Frame): void {
  parent.total += frame.total;
  const known = parent.children.find(({ name, file }) => name === frame.name && file === frame.file);
  if (known === undefined) {
    parent.children.push(frame);
    return;
  }
  known.self += frame.self;
  known.total += frame.self;
  for (const child of frame.children) merge(known, child);
}

/** Samples by phase. */
export function phasesOf(tree: Frame): Map<Phase, number> {
  const samples = new Map<Phase, number>();
  const visit = ({ phase, self, children }: Frame): void => {
    if (self > 0) samples.set(phase, (samples.get(phase) ?? 0) + self);
    for (const child of children) visit(child);
  };
  visit(tree);
  return samples;
}

function phaseOf(file: string, name: string): Phase | null {
  if (file === "") return null;
  return RULES.find(([pattern]) => pattern.test(`${file} ${name}`))?.[1] ?? null;
}

function fileOf(url: string): string {
  const found = /\/(?:runtime\/(.*\.ts)|(bench\/.*\.ts))$/.exec(url);
  return found?.[1] ?? found?.[2] ?? "";
}
