/**
 * The palette: `/` or Ctrl-K, a few letters, Enter. It leads to any page and any id.
 * @module
 */
import { type Signal, signal } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { actors, functions, jobs, nodes } from "../models/cluster.ts";
import { filterText } from "../models/filter_text.ts";
import { program } from "../models/format.ts";
import { linkOf, links } from "../models/links.ts";
import { navigate } from "../models/route.ts";
import { useTopics } from "../models/subscriptions.ts";
import { PAGES } from "../pages/routes.tsx";

/** Suggestions at once. */
const SHOWN = 12;

export const isPaletteOpen: Signal<boolean> = signal(false);

interface Suggestion {
  readonly href: string;
  readonly title: string;
  readonly note: string;
}

/** Listens for the keys, as long as the page lives. */
export function listenForPaletteKeys(): void {
  addEventListener("keydown", (event) => {
    const isTyping =
      (event.target as HTMLElement).closest?.("input, textarea, select, [contenteditable]") != null;
    const isSlash = event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey;
    const isCtrlK = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!isSlash && !isCtrlK) return;
    event.preventDefault();
    isPaletteOpen.value = true;
  });
}

export function Palette() {
  return isPaletteOpen.value ? <OpenPalette /> : null;
}

function OpenPalette() {
  useTopics("jobs", "nodes", "actors", "functions");
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  // Before the next key: what is typed at once after `/` belongs into the field.
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const found = suggestions(text);
  const at = Math.min(chosen, Math.max(0, found.length - 1));
  const close = (): void => void (isPaletteOpen.value = false);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") setChosen((at + 1) % Math.max(1, found.length));
    else if (event.key === "ArrowUp") setChosen((at - 1 + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter") {
      if (found[at] === undefined) return;
      navigate(found[at].href);
      close();
    } else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label="Go to a page or an id"
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[at] === undefined ? undefined : `palette-${at}`}
        aria-label="Page, name or id"
        placeholder="Go to a page, a name or an id"
        spellcheck={false}
        autoFocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="palette-list" role="listbox" aria-label="Suggestions">
        {found.map((each, i) => (
          <li key={each.href} id={`palette-${i}`} role="option" aria-selected={i === at}>
            <a href={each.href} tabIndex={-1} onClick={close}>
              <span class="clip">{each.title}</span>
              <span class="note">{each.note}</span>
            </a>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="empty">Nothing is called that. An id is followed as it is.</p>}
    </dialog>
  );
}

/** What fits the text: an id first, then pages, then names that are known here. */
function suggestions(text: string): Suggestion[] {
  const wanted = text.trim();
  const found: Suggestion[] = [];
  const direct = /^[a-z]-[\w.-]+$/.test(wanted) ? linkOf(wanted) : null;
  if (direct !== null) found.push({ href: direct, title: wanted, note: "this id" });
  const lower = wanted.toLowerCase();
  const add = (href: string, title: string, note: string): void => {
    if (found.length < SHOWN && `${title} ${note}`.toLowerCase().includes(lower)) {
      found.push({ href, title, note });
    }
  };
  for (const page of PAGES) if (page.href !== null) add(page.href, page.title, "page");
  for (const row of jobs.value?.rows ?? []) {
    add(links.job(row.jobId), program(row.entrypoint), `job ${row.jobId}`);
  }
  for (const row of functions.value?.rows ?? []) {
    add(links.tasks({ filter: filterText([`name=${row.name}`]) }), row.name, "tasks of this function");
  }
  for (const row of actors.value?.rows ?? []) {
    add(links.actor(row.actorId), row.name || row.className, `actor ${row.actorId}`);
  }
  for (const row of nodes.value?.rows ?? []) add(links.node(row.nodeId), row.hostname, `node ${row.nodeId}`);
  return found;
}
