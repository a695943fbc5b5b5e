/**
 * Dark or light: as the system says, until the viewer chooses. The choice is kept by the browser.
 * @module
 */
import { type Signal, signal } from "@preact/signals";

export type Scheme = "system" | "light" | "dark";

const KEY = "mobula.scheme";
const SCHEMES: readonly Scheme[] = ["system", "light", "dark"];

export const scheme: Signal<Scheme> = signal(stored());

/** Take it, show it, keep it. */
export function setScheme(next: Scheme): void {
  scheme.value = next;
  show();
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
  dispatchEvent(new Event("schemechange"));
}

/** Put the choice in force: before anything is drawn. */
export function show(): void {
  if (scheme.peek() === "system") delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = scheme.peek();
}

function stored(): Scheme {
  try {
    const kept = localStorage.getItem(KEY) as Scheme | null;
    return kept !== null && SCHEMES.includes(kept) ? kept : "system";
  } catch {
    return "system";
  }
}
