/**
 * Home: the cluster at this moment and over the last ten minutes.
 * @module
 */
import { Functions } from "../components/functions.tsx";
import { Summary } from "../components/summary.tsx";
import { Attention } from "./now/attention.tsx";
import { Slots } from "./now/slots.tsx";
import { Strips } from "./now/strips.tsx";

export function NowPage() {
  return (
    <>
      <Summary />
      <Strips />
      <div class="split even">
        <Attention />
        <Slots />
      </div>
      <Functions />
    </>
  );
}
