/**
 * "Why?", in one click: the sentence that `mobula why` says, kept up to date while it is open.
 * @module
 */
import { useState } from "preact/hooks";
import { question, useQuery } from "../models/query.ts";

export interface WhyProps {
  readonly id: string;
  /** What the button asks. */
  readonly text?: string;
  /** Open from the beginning: where the answer is what people come for. */
  readonly open?: boolean;
}

export function Why({ id, text = "Why?", open = false }: WhyProps) {
  const [isOpen, setOpen] = useState(open);
  return (
    <div class="why">
      {!open && <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>{text}</button>}
      {isOpen && <Sentence id={id} />}
    </div>
  );
}

function Sentence({ id }: { id: string }) {
  const { state, data, error } = useQuery<{ sentence: string }>(question("why", { id })).value;
  if (state === "loading") return <p class="why-sentence muted" role="status">Asking the nodes…</p>;
  if (data !== null) return <p class="why-sentence" role="status">{data.sentence}</p>;
  return <p class="why-sentence muted" role="status">{error?.message}</p>;
}
