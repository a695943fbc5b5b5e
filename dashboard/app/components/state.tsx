/**
 * A state as a word with a sign: filled, half or empty, so that colour is not all.
 * @module
 */
const KINDS: Readonly<Record<string, string>> = {
  ALIVE: "good",
  SUCCEEDED: "good",
  FINISHED: "good",
  CREATED: "good",
  IDLE: "good",
  RUNNING: "active",
  BUSY: "active",
  DEAD: "over",
  REMOVED: "over",
  STOPPED: "over",
  FAILED: "bad",
  SUSPECT: "bad",
  CRASHED: "bad",
};

/** `PENDING_NODE_ASSIGNMENT` as "pending node assignment", with its sign. */
export function State({ state }: { state: string }) {
  return (
    <span class={`state ${KINDS[state] ?? "between"}`} data-state={state}>
      <span class="dot" aria-hidden="true" />
      {state.replaceAll("_", " ").toLowerCase()}
    </span>
  );
}
