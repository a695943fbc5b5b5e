/**
 * The first byte of each value on the wire. Numbers are for ever: a new kind of value takes a new one, so that stored
 * bytes stay readable.
 * @module
 */

export const TAG_UNDEFINED = 0x00;
export const TAG_NULL = 0x01;
export const TAG_FALSE = 0x02;
export const TAG_TRUE = 0x03;
/** A whole number of 32 bits: zigzag varint. */
export const TAG_INT = 0x04;
/** 8 bytes. */
export const TAG_F64 = 0x05;
/** 8 bytes, signed. */
export const TAG_BIGINT64 = 0x06;
/** string(): "-"? and hexadecimal digits. */
export const TAG_BIGINT_HEX = 0x07;
/** string(). */
export const TAG_STRING = 0x08;
/** varint: the object with that number, counted in the order in which objects begin. */
export const TAG_SEEN = 0x09;
/** varint length, then the elements, among them TAG_HOLES. */
export const TAG_ARRAY = 0x0a;
/** Only inside arrays: varint, that many absent elements. */
export const TAG_HOLES = 0x0b;
/** varint count, the keys, then the values. The keys become the message's next shape. */
export const TAG_OBJECT = 0x0c;
/** varint shape, then the values. */
export const TAG_SHAPED = 0x0d;
/** varint count, then key and value in turns; no shape. */
export const TAG_DICTIONARY = 0x0e;
/** As a dictionary, without a prototype. */
export const TAG_BARE_OBJECT = 0x0f;
/** f64 milliseconds. */
export const TAG_DATE = 0x10;
/** string() source, string() flags. */
export const TAG_REGEXP = 0x11;
/** varint count, then key and value in turns. */
export const TAG_MAP = 0x12;
/** varint count, then the members. */
export const TAG_SET = 0x13;
/** u8 kind (binary_kinds.ts), varint byte count, the bytes. */
export const TAG_BINARY = 0x14;
/** u8 kind, varint byte count, varint number of the out-of-band buffer. */
export const TAG_BINARY_OUT = 0x15;
/** The primitive inside. */
export const TAG_BOXED = 0x16;
/** See error_codec.ts. */
export const TAG_ERROR = 0x17;
/** string() href. */
export const TAG_URL = 0x18;
/** varint class (string() name and string() hash follow when it is the message's next one), then what the codec made. */
export const TAG_INSTANCE = 0x19;
/** string() tag, then the extension's data. */
export const TAG_EXTENSION = 0x1a;
/** An array (as TAG_ARRAY) followed by a dictionary of named properties: the result of a RegExp match. */
export const TAG_MATCH = 0x1b;
/** varint owner (string() start of its ids and string() home follow when it is the message's next one), string() rest of
 *  the id: what an extension calls a "ref". */
export const TAG_REF = 0x1c;

/** 0x80 + length: text of fewer than 64 characters of one byte each. */
export const TAG_SHORT_TEXT = 0x80;
/** 0xc0 + value: whole numbers from 0 to 63. */
export const TAG_SMALL_INT = 0xc0;

/** How deep values may nest. Far from any stack's end on the three runtimes; longer chains belong into arrays. */
export const DEPTH_MAX = 1000;
/** JavaScriptCore's own limit on a bigint, in hexadecimal digits. */
export const BIGINT_DIGITS_MAX: number = (1 << 20) / 4;
/** Out-of-band from this size on. */
export const OUT_OF_BAND_BYTES_MIN = 1024;
/** Objects with more properties are dictionaries: their key lists would not repeat. */
export const SHAPE_KEYS_MAX = 32;
/** Shapes that a message may define; further objects are dictionaries. */
export const SHAPES_MAX = 256;
