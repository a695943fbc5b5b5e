/**
 * Ids in few bytes: a task's or object's id is its process's random part and a number (common/ids.ts). An id of another form
 * is kept whole, as an "owner" without a number.
 * @module
 */

/** The number of an id that is kept whole. */
export const NO_SEQUENCE = 0xffff_ffff;
/** The index of an object that was put, and of an id that is kept whole. */
export const PUT_INDEX = 0xffff;
export const NO_INDEX = 0xfffe;

/** The parts of one id. Made anew by each parse: one is enough. */
export class IdParts {
  owner = "";
  sequence: number = NO_SEQUENCE;
  /** Of an object: which return of its task. */
  index: number = NO_INDEX;

  /** `t-<owner>-<sequence>`. */
  task(id: string): this {
    this.index = NO_INDEX;
    const dash = id.lastIndexOf("-");
    if (id.startsWith("t-") && dash > 2) this.#numbered(id, 2, dash, dash + 1, id.length);
    else this.#whole(id);
    return this;
  }

  /** `o-<owner>-<sequence>.<index>`, or `o-<owner>-p<sequence>`. */
  object(id: string): this {
    const dash = id.lastIndexOf("-");
    const dot = id.indexOf(".", dash);
    if (!id.startsWith("o-") || dash <= 2) return this.#whole(id);
    if (dot < 0) {
      this.index = PUT_INDEX;
      if (id[dash + 1] === "p") this.#numbered(id, 2, dash, dash + 2, id.length);
      else this.#whole(id);
      return this;
    }
    const index = decimal(id, dot + 1);
    if (index < 0 || index >= NO_INDEX) return this.#whole(id);
    this.index = index;
    this.#numbered(id, 2, dash, dash + 1, dot);
    return this;
  }

  #numbered(id: string, from: number, to: number, sequenceFrom: number, sequenceTo: number): void {
    const sequence = base36(id, sequenceFrom, sequenceTo);
    if (sequence < 0) {
      this.#whole(id);
      return;
    }
    this.owner = id.slice(from, to);
    this.sequence = sequence;
  }

  #whole(id: string): this {
    this.owner = id;
    this.sequence = NO_SEQUENCE;
    this.index = NO_INDEX;
    return this;
  }
}

export function taskIdOf(owner: string, sequence: number): string {
  return sequence === NO_SEQUENCE ? owner : `t-${owner}-${sequence.toString(36)}`;
}

export function objectIdOf(owner: string, sequence: number, index: number): string {
  if (sequence === NO_SEQUENCE) return owner;
  return index === PUT_INDEX
    ? `o-${owner}-p${sequence.toString(36)}`
    : `o-${owner}-${sequence.toString(36)}.${index}`;
}

/** The number that these characters write in the one way that makes them again; -1 when they do not. */
function base36(text: string, from: number, to: number): number {
  const length = to - from;
  if (length < 1 || length > 7 || (length > 1 && text.charCodeAt(from) === 48)) return -1;
  let value = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    const digit = code >= 48 && code <= 57 ? code - 48 : code >= 97 && code <= 122 ? code - 87 : -1;
    if (digit < 0) return -1;
    value = value * 36 + digit;
  }
  return value < NO_SEQUENCE ? value : -1;
}

function decimal(text: string, from: number): number {
  const length = text.length - from;
  if (length < 1 || length > 5 || (length > 1 && text.charCodeAt(from) === 48)) return -1;
  let value = 0;
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
