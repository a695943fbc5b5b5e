/**
 * The page's shell: where the panels stand, and what stands instead of them when there is nothing to show.
 * @module
 */
import { hello } from "../models/cluster.ts";
import { connection } from "../models/stream.ts";
import { Actors } from "./actors.tsx";
import { Failures } from "./failures.tsx";
import { Functions } from "./functions.tsx";
import { GraphPanel } from "./graph.tsx";
import { ConnectionBanner, Header } from "./header.tsx";
import { Jobs } from "./jobs.tsx";
import { Nodes } from "./nodes.tsx";
import { Objects } from "./objects.tsx";
import { Summary } from "./summary.tsx";

export function App() {
  if (connection.value === "signedOut") return <SignedOut />;
  const isStale = connection.value === "reconnecting" || connection.value === "lost";
  return (
    <>
      <Header />
      <ConnectionBanner />
      {hello.value === null ? <Loading /> : (
        <main class={isStale ? "stale" : ""}>
          <Summary />
          <GraphPanel />
          <div class="split">
            <div class="stack">
              <Functions />
              <Actors />
            </div>
            <div class="stack">
              <Objects />
              <Failures />
              <Jobs />
            </div>
          </div>
          <Nodes />
        </main>
      )}
    </>
  );
}

function Loading() {
  return (
    <main class="centre" aria-busy="true">
      <p class="muted">Connecting to the head…</p>
    </main>
  );
}

function SignedOut() {
  return (
    <main class="centre">
      <h1>Signed out</h1>
      <p class="muted">
        This browser is no longer signed in. On a machine of the cluster, run <code>mobula status</code>{" "}
        and open the dashboard link that it prints.
      </p>
    </main>
  );
}
