/**
 * Which cluster this is, and whether what is shown is live.
 * @module
 */
import { clockOffsetMs, hello } from "../models/cluster.ts";
import { clock, duration } from "../models/format.ts";
import { links } from "../models/links.ts";
import { type Scheme, scheme, setScheme } from "../models/scheme.ts";
import { connection, type ConnectionState, lastFrameMs, problem } from "../models/stream.ts";
import { isDrawerOpen } from "./navigation.tsx";
import { isPaletteOpen } from "./palette.tsx";

const LABELS: Record<ConnectionState, string> = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  lost: "Connection lost",
  paused: "Paused",
  signedOut: "Signed out",
  report: "Report",
};

export function Header() {
  const about = hello.value;
  return (
    <header>
      <button
        type="button"
        class="menu"
        aria-label="Pages"
        aria-expanded={isDrawerOpen.value}
        aria-controls="navigation"
        onClick={() => isDrawerOpen.value = !isDrawerOpen.value}
      >
        ☰
      </button>
      <a class="brand" href={links.now()}>
        <img src="./icon.svg" alt="" width="22" height="22" />
        mobula
      </a>
      {about !== null && (
        <dl class="facts">
          <div>
            <dt>Cluster</dt>
            <dd class="mono">{about.clusterId}</dd>
          </div>
          <div>
            <dt>Head</dt>
            <dd class="mono">{about.address}</dd>
          </div>
          <div>
            <dt>Up</dt>
            <dd>
              <Uptime sinceMs={about.startedMs} />
            </dd>
          </div>
          <div class="optional">
            <dt>Version</dt>
            <dd>{about.version}</dd>
          </div>
        </dl>
      )}
      <button type="button" class="search" onClick={() => isPaletteOpen.value = true}>
        <span>Search</span> <kbd>/</kbd>
      </button>
      <SchemeSwitch />
      <div class={`connection ${connection.value}`} role="status" id="connection">
        <span class="dot" aria-hidden="true" />
        {LABELS[connection.value]}
      </div>
    </header>
  );
}

const SCHEMES: Readonly<
  Record<Scheme, { readonly sign: string; readonly next: Scheme; readonly label: string }>
> = {
  system: { sign: "◐", next: "light", label: "Colours: as the system. Switch to light" },
  light: { sign: "○", next: "dark", label: "Colours: light. Switch to dark" },
  dark: { sign: "●", next: "system", label: "Colours: dark. Switch to the system's" },
};

function SchemeSwitch() {
  const { sign, next, label } = SCHEMES[scheme.value];
  return (
    <button
      type="button"
      class="scheme"
      aria-label={label}
      title={label}
      onClick={() => setScheme(next)}
    >
      {sign}
    </button>
  );
}

/** Says what is wrong and how old the picture is, as long as it is not live. */
export function ConnectionBanner() {
  const state = connection.value;
  if (state !== "reconnecting" && state !== "lost") return null;
  const asOf = lastFrameMs.value === 0 ? "" : ` What you see is from ${clock(lastFrameMs.value)}.`;
  return (
    <div class={`banner ${state}`} role="alert">
      <strong>{state === "lost" ? "The head does not answer." : "Connection interrupted."}</strong>
      {state === "lost"
        ? ` Trying again every 2 s${problem.value === "" ? "" : ` (${problem.value})`}.`
        : " Trying again…"}
      {asOf}
    </div>
  );
}

function Uptime({ sinceMs }: { sinceMs: number }) {
  // With what the stream brings, at least every 5 s: a clock of its own would be a frame more each second.
  const nowMs = lastFrameMs.value + clockOffsetMs.value;
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1_000));
  return <span>{seconds < 60 ? `${seconds} s` : duration(seconds * 1_000)}</span>;
}
