/**
 * Refs inside values. Their ids begin with their owner's (`o-<owner>-`), and those of one owner are counted at one home: both
 * are sent once a message, which makes arrays of refs a third as long and several times as fast to read.
 * @module
 */
import { ProtocolError } from "../protocol_error.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { ByteWriter } from "./byte_writer.ts";

/** The extension's tag for refs; its data is [id, home]. */
export const REF_TAG = "ref";

/** What refs of one owner have in common. */
interface Family {
  readonly start: string;
  readonly home: string;
  readonly number: number;
}

/** Writes the refs of one message. */
export class RefEncoder {
  readonly #families = new Map<string, Family>();
  #last: Family | null = null;
  #count = 0;

  write(writer: ByteWriter, id: string, home: string): void {
    const length = id.lastIndexOf("-") + 1;
    let family = this.#last;
    if (
      family === null || family.home !== home || family.start.length !== length ||
      !id.startsWith(family.start)
    ) {
      const start = id.slice(0, length);
      family = this.#families.get(start) ?? null;
      if (family?.home !== home) {
        family = { start, home, number: this.#count++ };
        this.#families.set(start, family);
        writer.varint(family.number);
        writer.string(start);
        writer.string(home);
      } else writer.varint(family.number);
      this.#last = family;
    } else writer.varint(family.number);
    writer.string(id.slice(length));
  }
}

/** Reads the refs of one message. */
export class RefDecoder {
  readonly #families: Omit<Family, "number">[] = [];

  read(reader: ByteReader): [id: string, home: string] {
    const number = reader.varint();
    if (number > this.#families.length) {
      throw new ProtocolError(`a ref of an unknown owner before byte ${reader.position}`);
    }
    if (number === this.#families.length) {
      this.#families.push({ start: reader.string(), home: reader.string() });
    }
    const { start, home } = this.#families[number]!;
    return [start + reader.string(), home];
  }
}
