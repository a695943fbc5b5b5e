/**
 * The list of pages at the side, or in a drawer where the page is narrow.
 * @module
 */
import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { cluster } from "../models/cluster.ts";
import { shortCount } from "../models/format.ts";
import { REPORT_PAGES, reported } from "../models/report.ts";
import { route } from "../models/route.ts";
import { type PageEntry, PAGES } from "../pages/routes.tsx";

/** The drawer of narrow screens. */
export const isDrawerOpen: Signal<boolean> = signal(false);

const SECTIONS = ["", "Work", "State", "Records"] as const;

export function Navigation() {
  const { page } = route.value;
  // Having gone somewhere closes the drawer.
  useEffect(() => void (isDrawerOpen.value = false), [route.value]);
  return (
    <nav class={`navigation ${isDrawerOpen.value ? "open" : ""}`} aria-label="Pages" id="navigation">
      {SECTIONS.map((section) => (
        <div key={section} class="section">
          {section !== "" && <h2>{section}</h2>}
          <ul>
            {PAGES.filter((entry) => entry.section === section && entry.href !== null && isThere(entry)).map((
              entry,
            ) => (
              <li key={entry.page}>
                <a href={entry.href!} aria-current={isCurrent(entry, page) ? "page" : undefined}>
                  {entry.title}
                  <Badge page={entry.page} />
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

/** A report has a part of the pages. */
function isThere({ page }: PageEntry): boolean {
  return reported.value === null || REPORT_PAGES.includes(page);
}

function isCurrent(entry: PageEntry, page: string): boolean {
  return entry.page === page || (entry.page === "nodes" && page === "workers");
}

/** How many are alive now, beside the page's name. */
function Badge({ page }: { page: string }) {
  const about = cluster.value;
  if (about === null) return null;
  const numbers: Readonly<Record<string, number>> = {
    jobs: about.jobsRunning,
    tasks: about.tasks.running,
    actors: about.actorsAlive,
    nodes: about.nodesAlive,
  };
  const failed = page === "errors" ? about.tasks.failed : 0;
  if (failed > 0) {
    return <span class="badge bad" title={`${failed} failed attempts`}>{shortCount(failed)}</span>;
  }
  const number = numbers[page] ?? 0;
  return number === 0 ? null : <span class="badge">{shortCount(number)}</span>;
}
