/**
 * Objects whose last copy was lost, and what became of them.
 * @module
 */
import type { ObjectsDto } from "../../../api/entities.ts";
import { Age } from "../../components/age.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { count } from "../../models/format.ts";
import { links } from "../../models/links.ts";

export function Losses({ about }: { about: ObjectsDto }) {
  const { lost, rebuilt, losses } = about;
  return (
    <Panel
      id="losses"
      title="Lost objects"
      note={
        <>
          {count(lost)} lost, {count(rebuilt)} made again
          {lost > losses.length && ` · the newest ${losses.length}`}
        </>
      }
    >
      <Scroll label="Lost objects">
        <table>
          <thead>
            <tr>
              <th scope="col">Object</th>
              <th scope="col">Made by</th>
              <th scope="col">Now</th>
              <th scope="col">Why</th>
              <th scope="col" class="num">Ago</th>
            </tr>
          </thead>
          <tbody>
            {losses.map((loss) => (
              <tr key={loss.objectId} data-key={loss.objectId}>
                <th scope="row">
                  <a class="mono id" href={links.object(loss.objectId)}>{loss.objectId}</a>
                </th>
                <td>{loss.producer}</td>
                <td class={loss.isRebuilt ? "" : "failed-text"}>{loss.isRebuilt ? "made again" : "lost"}</td>
                <td class="wrap">{loss.reason}</td>
                <td class="num">
                  <Age sinceMs={loss.atMs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
