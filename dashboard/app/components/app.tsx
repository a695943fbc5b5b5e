/**
 * The page's frame: what stands around every page, and what stands instead of it when it cannot be shown.
 * @module
 */
import { useEffect } from "preact/hooks";
import { links } from "../models/links.ts";
import { isEmbedded, route } from "../models/route.ts";
import { connection } from "../models/stream.ts";
import { pageOf } from "../pages/routes.tsx";
import { ConnectionBanner, Header } from "./header.tsx";
import { Navigation } from "./navigation.tsx";
import { RecordNote } from "./record_note.tsx";
import { Palette } from "./palette.tsx";

export function App() {
  if (connection.value === "signedOut") return <SignedOut />;
  if (isEmbedded()) {
    return (
      <div class="embedded">
        <ConnectionBanner />
        <Page />
      </div>
    );
  }
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={skipToMain}>Skip to the page</a>
      <Header />
      <Navigation />
      <div class="content">
        <ConnectionBanner />
        <RecordNote />
        <Page />
      </div>
      <Palette />
    </div>
  );
}

function Page() {
  const entry = pageOf(route.value);
  const { id } = route.value;
  const title = entry === null ? "Not found" : entry.title;
  useEffect(() => {
    document.title = entry?.page === "" ? "mobula" : `${id === null ? title : id} · mobula`;
  }, [title, id]);
  const isStale = connection.value === "reconnecting" || connection.value === "lost";
  return (
    <main id="main" tabIndex={-1} class={isStale ? "stale" : ""} data-page={route.value.page}>
      <h1 class="hidden">{id === null ? title : `${title}: ${id}`}</h1>
      {entry === null ? <NoSuchPage /> : entry.render(id)}
    </main>
  );
}

/** A link would change the address, which names the page. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function NoSuchPage() {
  return (
    <section class="panel notice no-page">
      <h2>There is no such page</h2>
      <p>
        The address names nothing here. <a href={links.now()}>Go to Now</a>, or press <kbd>/</kbd> to search.
      </p>
    </section>
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
