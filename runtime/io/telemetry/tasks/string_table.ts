/**
 * Interned texts: each text once, named by a number, counted by its uses and given up with the last one. Index 0 is "no text".
 * @module
 */

/** Stands for texts that there is no room for. */
export const OTHER_TEXT = "(other)";
const OTHER_INDEX = 1;

export class StringTable {
  readonly #texts: string[] = ["", OTHER_TEXT];
  readonly #uses: number[] = [1, 1];
  readonly #byText: Map<string, number> = new Map();
  readonly #free: number[] = [];
  readonly #indexMax: number;
  readonly #charactersMax: number;
  #characters = 0;
  /** Grows whenever an index gets a new meaning. */
  version = 0;

  /** `indexMax`: the largest index that a column can hold. `charactersMax`: of all texts together. */
  constructor(indexMax: number = 0xffff_ffff, charactersMax: number = Infinity) {
    this.#indexMax = indexMax;
    this.#charactersMax = charactersMax;
  }

  /** One more than the largest index that was ever given. */
  get size(): number {
    return this.#texts.length;
  }
  /** Characters of all texts that are kept. */
  get characters(): number {
    return this.#characters;
  }

  /** The text's index, used once more. Beyond the bounds: that of "(other)". */
  acquire(text: string | null): number {
    if (text === null || text === "") return 0;
    const known = this.#byText.get(text);
    if (known !== undefined) {
      this.#uses[known]!++;
      return known;
    }
    if (this.#characters + text.length > this.#charactersMax) return OTHER_INDEX;
    const index = this.#free.pop() ?? this.#texts.length;
    if (index > this.#indexMax) return OTHER_INDEX;
    this.#texts[index] = text;
    this.#uses[index] = 1;
    this.#byText.set(text, index);
    this.#characters += text.length;
    this.version++;
    return index;
  }

  release(index: number): void {
    if (index <= OTHER_INDEX || --this.#uses[index]! > 0) return;
    const text = this.#texts[index]!;
    this.#byText.delete(text);
    this.#characters -= text.length;
    this.#texts[index] = "";
    this.#free.push(index);
  }

  /** The index of a text that is there; -1 when it is not. */
  find(text: string): number {
    return this.#byText.get(text) ?? -1;
  }

  text(index: number): string {
    return this.#texts[index]!;
  }

  textOrNull(index: number): string | null {
    return index === 0 ? null : this.#texts[index]!;
  }
}
