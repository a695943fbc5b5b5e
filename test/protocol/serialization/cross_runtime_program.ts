/**
 * Run under each runtime by cross_runtime.test.ts. Without input: prints {name: [bytes in base64, description]} of the
 * sample values. With such a table on stdin (made by another runtime): decodes each and prints {name: description}.
 */
import { decodeFromBytes, encodeToBytes } from "../../../runtime/protocol/serialization/mod.ts";
import { describe, sampleValues } from "./sample_values.ts";

let input = "";
for await (const chunk of process.stdin) input += chunk;
const output: Record<string, unknown> = {};
if (input === "") {
  for (const [name, value] of Object.entries(sampleValues())) {
    output[name] = [Buffer.from(encodeToBytes(value)).toString("base64"), describe(value)];
  }
} else {
  for (const [name, [bytes]] of Object.entries(JSON.parse(input) as Record<string, [string, string]>)) {
    output[name] = describe(decodeFromBytes(Buffer.from(bytes, "base64")));
  }
}
console.log(JSON.stringify(output));
