/**
 * Home: the cluster at this moment and over the last ten minutes.
 * @module
 */
import { Functions } from "../components/functions.tsx";
import { Summary } from "../components/summary.tsx";
import { timeRange } from "../models/range.ts";
import { Attention } from "./now/attention.tsx";
import { RangeFunctions } from "./now/range_functions.tsx";
import { Slots } from "./now/slots.tsx";
import { Strips } from "./now/strips.tsx";

export function NowPage() {
  const range = timeRange.value;
  return (
    <>
      <Summary />
      <Strips />
      <div class="split even">
        <Attention />
        <Slots />
      </div>
      {range === null ? <Functions /> : <RangeFunctions range={range} />}
    </>
  );
}
