/**
 * What needs attention, the worst first; nothing is good news.
 * @module
 */
import type { AttentionDto, AttentionItem } from "../../../api/now.ts";
import { Panel } from "../../components/panel.tsx";
import { Answer } from "../../components/states.tsx";
import { filterText } from "../../models/filter_text.ts";
import { linkOf, links } from "../../models/links.ts";
import { useQuery } from "../../models/query.ts";

const SIGNS = { bad: "▲", warn: "◆", info: "●" } as const;
const WORDS = { bad: "Bad", warn: "Warning", info: "Note" } as const;

export function Attention() {
  const answer = useQuery<AttentionDto>("attention");
  const items = answer.value.data?.items ?? [];
  return (
    <Panel
      id="attention"
      title="Needs attention"
      note={items.length === 0 ? undefined : String(items.length)}
    >
      <Answer of={answer}>
        {() =>
          items.length === 0
            ? (
              <p class="all-well">
                <span class="dot" aria-hidden="true" />All is well: nothing fails, restarts, spills or waits
                without end.
              </p>
            )
            : <ul class="attention">{items.map((item) => <Item key={item.key} item={item} />)}</ul>}
      </Answer>
    </Panel>
  );
}

function Item({ item }: { item: AttentionItem }) {
  const href = item.filters !== undefined
    ? links.tasks({ filter: filterText(item.filters) })
    : item.id === undefined
    ? null
    : linkOf(item.id);
  return (
    <li class={item.severity} data-key={item.key}>
      <span class="sign" role="img" aria-label={WORDS[item.severity]}>{SIGNS[item.severity]}</span>
      <div>
        {href === null ? item.title : <a href={href}>{item.title}</a>}
        {item.detail !== "" && <div class="sub wrap">{item.detail}</div>}
      </div>
    </li>
  );
}
