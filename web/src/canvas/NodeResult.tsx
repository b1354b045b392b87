/**
 * In a node, what its last run made: pictures small (a click shows them in full size), texts and numbers as they are.
 * A node without results costs one look into a map, and only when a run has ended.
 */

import { memo } from "react";
import { useLive, useNodeLive } from "../api/live";
import { useQueue } from "../api/queue";
import { type Items, useNodeResults } from "../api/results";
import type { ArtefactInfo } from "../api/types";
import { Icon } from "../app/icons";
import { showResults } from "../app/shell";
import { editView } from "../commands/store";
import { withEntry } from "../model/layout";
import { mediaKind } from "../model/media";
import { type ResultShape, resultShape } from "../model/results";
import { Media } from "../panels/look/Media";
import type { OpData } from "./flow";
import "./results.css";

export const NodeResult = memo(function NodeResult({ data, name }: { data: OpData; name: string }) {
  const items = useNodeResults(data.tab, name);
  return items && !data.entry.collapsed ? <Result data={data} name={name} items={items} /> : null;
});

interface Props {
  data: OpData;
  name: string;
  items: Items;
}

function Result({ data, name, items }: Props) {
  const { tab, id, entry, shape } = data;
  const hidden = entry.hide_result === true;
  const fits = resultShape(items, shape.width, hidden);
  const earlier = useLive((live) => live.followed[tab] !== items[0]?.job);
  const running = useNodeLive(tab, name)?.preview;
  const hide = hidden ? "Show the result" : "Hide the result";
  return (
    <section
      className="nf-result"
      aria-label={`Result of ${id}`}
      data-earlier={earlier || undefined}
      style={{ top: shape.height, height: fits.height }}
    >
      <button
        type="button"
        className="nf-result-caption nodrag"
        aria-expanded={!hidden}
        aria-label={`${hide}: ${caption(items)}`}
        title={hide}
        onClick={() => editView(tab, hide, (scope) => withEntry(scope, id, { hide_result: !hidden }))}
      >
        <Icon name={hidden ? "right" : "down"} size={12} />
        {caption(items)}
        {earlier && <span className="hint">earlier run</span>}
      </button>
      {fits.pictures.length > 0 && (
        <Pictures fits={fits} items={items} instead={earlier && running ? running : undefined} />
      )}
      {fits.others.map(({ item, kind, height }) =>
        kind === "sound" ? (
          <div key={item.id} className="nf-result-other nodrag" data-kind={kind} style={{ height }}>
            <Media item={item} large />
          </div>
        ) : (
          <button
            key={item.id}
            type="button"
            className="nf-result-other nodrag"
            data-kind={kind}
            style={{ height }}
            aria-label={`Show ${item.name}`}
            onClick={() => open(items, item)}
          >
            <Media item={item} />
          </button>
        ),
      )}
    </section>
  );
}

/** `instead`: what is shown of the run that goes on, in place of the first. */
function Pictures({ fits, items, instead }: { fits: ResultShape; items: Items; instead: string | undefined }) {
  return (
    <div className="nf-result-pictures checker" data-columns={fits.columns}>
      {fits.pictures.map((item, place) => (
        <button
          key={item.id}
          type="button"
          className="nodrag"
          style={{ height: fits.cell }}
          aria-label={`Show ${item.name}`}
          onClick={() => open(items, item)}
        >
          {instead && place === 0 ? (
            <img className="media-picture" src={instead} alt="Preview" draggable={false} />
          ) : (
            <Media item={item} />
          )}
          {fits.more > 0 && place === fits.pictures.length - 1 && (
            <span className="run-more" aria-hidden="true">
              +{fits.more}
            </span>
          )}
        </button>
      ))}
    </div>
  );
}

/** Show a result among all of its run. */
function open(items: Items, item: ArtefactInfo): void {
  const all = useQueue.getState().job(item.job)?.artefacts ?? items;
  const place = all.findIndex((other) => other.id === item.id);
  if (place < 0) showResults(items, items.indexOf(item));
  else showResults(all, place);
}

/** The size of one picture; of another thing what it is; how many there are of several. */
function caption(items: Items): string {
  const [first] = items;
  if (first === undefined || items.length > 1) return `${items.length} results`;
  return first.width > 0 ? `${first.width} × ${first.height}` : mediaKind(first);
}
