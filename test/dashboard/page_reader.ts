/**
 * Reads the dashboard's page as a person would: opens addresses and looks at figures, rows and facts until they are as expected.
 * @module
 */
import { expect } from "bun:test";
import type { Page } from "playwright-core";
import { waitFor } from "../support/wait_for.ts";

/** What is known up to a second later is looked at again and again so long. */
const SETTLES_MS = 15_000;

/** See the module's header. */
export class PageReader {
  /** Script errors and what the browser's console calls an error. */
  readonly complaints: string[] = [];
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
    page.on("pageerror", (error) => this.complaints.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(`${page.url()}: ${message.text()}`);
    });
  }

  /** Opens an address ("#/jobs"), and waits until it is drawn. */
  async open(hash: string): Promise<void> {
    await this.#page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await waitFor(`${hash} is drawn`, () =>
      this.#page.evaluate(
        `location.hash === ${
          JSON.stringify(hash)
        } && document.querySelector("main [aria-busy=true]") === null`,
      ));
  }

  /** Opens an address and looks until what `read` sees there equals `expected`; throws with what was seen last. */
  async shows<T>(hash: string, read: () => Promise<T>, expected: T): Promise<void> {
    await this.open(hash);
    await this.sees(read, expected);
  }

  /** As `shows`, of what is open. */
  async sees<T>(read: () => Promise<T>, expected: T): Promise<void> {
    let seen: T | undefined;
    await waitFor("the page is as expected", async () => {
      seen = await read();
      return Bun.deepEquals(seen, expected);
    }, SETTLES_MS).catch(() => expect(seen).toEqual(expected));
  }

  /** The text of the first element of that kind, in one line; null when there is none. */
  async text(selector: string): Promise<string | null> {
    return (await this.texts(selector))[0] ?? null;
  }

  /** The texts of all elements of that kind, each in one line. */
  async texts(selector: string): Promise<string[]> {
    return (await this.#page.locator(selector).allInnerTexts()).map((text) =>
      text.replace(/\s+/g, " ").trim()
    );
  }

  /** Attributes of all elements of that kind. */
  async attributes(selector: string, name: string): Promise<string[]> {
    return await this.#page.locator(selector).evaluateAll(
      (all: { getAttribute(name: string): string | null }[], name: string) =>
        all.map((each) => each.getAttribute(name) ?? ""),
      name,
    );
  }

  /** Of rows of a panel's table: the texts under these headings, row by row, sorted. */
  async rows(panel: string, ...headings: readonly string[]): Promise<string[]> {
    const titles = (await this.texts(`${panel} thead th`)).map((text) => text.replace(/ [↑↓]$/, ""));
    const at = headings.map((heading) => titles.indexOf(heading));
    if (at.includes(-1)) return [`no such heading among ${titles}`];
    const cells = await this.#page.locator(`${panel} tbody tr`).evaluateAll(
      (rows: { querySelectorAll(selector: string): Iterable<{ innerText: string }> }[]) =>
        rows.map((row) => [...row.querySelectorAll("th, td")].map((cell) => cell.innerText)),
    );
    return cells.map((row: string[]) =>
      at.map((index) => row[index]!.replace(/\s+/g, " ").trim()).join(" | ")
    )
      .sort();
  }

  /** A large figure of a page's head, by its name. */
  async figure(name: string): Promise<string | null> {
    return await this.text(`[data-figure="${name}"] dd`);
  }

  async click(selector: string): Promise<void> {
    await this.#page.locator(selector).first().click();
  }

  async fill(selector: string, text: string): Promise<void> {
    await this.#page.locator(selector).first().fill(text);
  }
}
