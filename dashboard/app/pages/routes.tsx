/**
 * All pages: what stands at which address, and where the navigation names it.
 * @module
 */
import type { ComponentChildren } from "preact";
import { links } from "../models/links.ts";
import type { Route } from "../models/address.ts";
import { ActorPage } from "./actor.tsx";
import { ActorsPage } from "./actors.tsx";
import { ComparePage } from "./history/compare_page.tsx";
import { ErrorsPage } from "./errors/errors_page.tsx";
import { GraphPage } from "./graph.tsx";
import { GroupPage } from "./group.tsx";
import { GroupsPage } from "./groups.tsx";
import { HistoryPage } from "./history/history_page.tsx";
import { JobPage } from "./job.tsx";
import { JobsPage } from "./jobs.tsx";
import { LogsPage } from "./logs/logs_page.tsx";
import { NodePage } from "./node.tsx";
import { NodesPage } from "./nodes.tsx";
import { NowPage } from "./now.tsx";
import { ObjectPage } from "./object.tsx";
import { ObjectsPage } from "./objects.tsx";
import { SqlPage } from "./sql/sql_page.tsx";
import { TaskPage } from "./task.tsx";
import { TasksPage } from "./tasks.tsx";
import { TimelinePage } from "./timeline.tsx";
import { WorkerPage } from "./worker.tsx";

export interface PageEntry {
  /** First part of the address. */
  readonly page: string;
  readonly title: string;
  /** The address that the navigation leads to; null: only ids lead there. */
  readonly href: string | null;
  /** Heading under which the navigation names it. */
  readonly section: "Work" | "State" | "Records" | "";
  /** The page with an id, or without. */
  readonly render: (id: string | null) => ComponentChildren;
}

export const PAGES: readonly PageEntry[] = [
  { page: "", title: "Now", href: links.now(), section: "", render: () => <NowPage /> },
  {
    page: "jobs",
    title: "Jobs",
    href: links.jobs(),
    section: "Work",
    render: (id) => id === null ? <JobsPage /> : <JobPage key={id} id={id} />,
  },
  {
    page: "tasks",
    title: "Tasks",
    href: links.tasks(),
    section: "Work",
    render: (id) => id === null ? <TasksPage /> : <TaskPage key={id} id={id} />,
  },
  { page: "graph", title: "Graph", href: links.graph(), section: "Work", render: () => <GraphPage /> },
  {
    page: "timeline",
    title: "Timeline",
    href: links.timeline(),
    section: "Work",
    render: () => <TimelinePage />,
  },
  {
    page: "objects",
    title: "Objects",
    href: links.objects(),
    section: "State",
    render: (id) => id === null ? <ObjectsPage /> : <ObjectPage key={id} id={id} />,
  },
  {
    page: "actors",
    title: "Actors",
    href: links.actors(),
    section: "State",
    render: (id) => id === null ? <ActorsPage /> : <ActorPage key={id} id={id} />,
  },
  {
    page: "nodes",
    title: "Nodes",
    href: links.nodes(),
    section: "State",
    render: (id) => id === null ? <NodesPage /> : <NodePage key={id} id={id} />,
  },
  {
    page: "workers",
    title: "Workers",
    href: null,
    section: "State",
    render: (id) => id === null ? <NodesPage /> : <WorkerPage key={id} id={id} />,
  },
  {
    page: "groups",
    title: "Placement groups",
    href: links.groups(),
    section: "State",
    render: (id) => id === null ? <GroupsPage /> : <GroupPage key={id} id={id} />,
  },
  { page: "logs", title: "Logs", href: links.logs(), section: "Records", render: () => <LogsPage /> },
  { page: "errors", title: "Errors", href: links.errors(), section: "Records", render: () => <ErrorsPage /> },
  {
    page: "history",
    title: "History",
    href: links.history(),
    section: "Records",
    render: (id) => id === "compare" ? <ComparePage /> : <HistoryPage />,
  },
  { page: "sql", title: "SQL", href: links.sql(), section: "Records", render: () => <SqlPage /> },
];

/** The page of an address, or null when there is none. */
export function pageOf(route: Route): PageEntry | null {
  return PAGES.find((entry) => entry.page === route.page) ?? null;
}
