/** The server's side of the WebSocket protocol: what clients may send, in whatever pieces it comes, and nothing else. */
import { describe, expect, test } from "bun:test";
import { Prng } from "../../runtime/common/prng.ts";
import { ProtocolError } from "../../runtime/protocol/protocol_error.ts";
import {
  binaryHeader,
  ControlFrame,
  controlFrame,
  WebSocketReader,
} from "../../runtime/protocol/websocket_frames.ts";

/** A client's frame. */
function frame(first: number, payload: Uint8Array, mask = [0x12, 0x34, 0x56, 0x78]): Uint8Array {
  const header = binaryHeader(payload.length);
  header[0] = first;
  header[1]! |= 0x80;
  return Uint8Array.from([...header, ...mask, ...payload.map((byte, i) => byte ^ mask[i & 3]!)]);
}

function reader(): { reader: WebSocketReader; bytes: number[]; control: [number, number[]][] } {
  const bytes: number[] = [];
  const control: [number, number[]][] = [];
  const found = new WebSocketReader({
    data: (chunk) => bytes.push(...chunk),
    control: (kind, payload) => control.push([kind, [...payload]]),
  });
  return { reader: found, bytes, control };
}

function sequence(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 31);
}

describe("a client's frames", () => {
  test("are one stream of bytes, whatever their size and wherever they are cut", () => {
    const seed = Date.now() >>> 0;
    const random = new Prng(seed);
    const payloads = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map(sequence);
    const all = Buffer.concat(payloads.map((payload) => frame(0x82, payload)));
    const { reader: read, bytes } = reader();
    for (let at = 0; at < all.length;) {
      const end = at + 1 + random.below(at % 3 === 0 ? 7 : 9_000);
      read.push(Uint8Array.from(all.subarray(at, end)));
      at = end;
    }
    expect([seed, Buffer.compare(Buffer.from(bytes), Buffer.concat(payloads))]).toEqual([seed, 0]);
  });

  test("may be pieces of one message with control frames between them", () => {
    const { reader: read, bytes, control } = reader();
    read.push(frame(0x02, sequence(3)));
    read.push(frame(0x89, Uint8Array.of(9, 9)));
    read.push(frame(0x00, sequence(2)));
    read.push(frame(0x80, sequence(1)));
    read.push(frame(0x88, Uint8Array.of(3, 232)));
    expect(bytes).toEqual([0, 31, 62, 0, 31, 0]);
    expect(control).toEqual([[ControlFrame.ping, [9, 9]], [ControlFrame.close, [3, 232]]]);
  });

  const bad: [string, Uint8Array][] = [
    ["not masked", Uint8Array.of(0x82, 1, 7)],
    ["of an extension", frame(0xc2, sequence(1))],
    ["of text", frame(0x81, sequence(1))],
    ["of an unknown kind", frame(0x83, sequence(1))],
    ["of an unknown control kind", frame(0x8b, sequence(1))],
    ["that go on with nothing", frame(0x80, sequence(1))],
    ["that begin a message inside one", Buffer.concat([frame(0x02, sequence(1)), frame(0x82, sequence(1))])],
    ["of control in pieces", frame(0x09, sequence(1))],
    ["of control that are long", frame(0x89, sequence(126))],
    [
      "longer than a number can say",
      Uint8Array.of(0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0),
    ],
  ];
  for (const [what, bytes] of bad) {
    test(`${what} are refused`, () => {
      expect(() => reader().reader.push(Uint8Array.from(bytes))).toThrow(ProtocolError);
    });
  }
});

test("a server's control frame carries at most 125 bytes", () => {
  expect(controlFrame(ControlFrame.ping).length).toBe(2);
  expect(() => controlFrame(ControlFrame.ping, new Uint8Array(126))).toThrow(RangeError);
});
