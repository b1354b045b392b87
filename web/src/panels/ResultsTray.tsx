/** What the tab's run gave, in a corner of the graph: small, and full size by a click. */

import { useLive } from "../api/live";
import { useQueue } from "../api/queue";
import { Icon } from "../app/icons";
import { setSettings, useSettings } from "../app/settings";
import { showResults } from "../app/shell";
import { useTabs } from "../commands/store";
import { isPicture } from "../model/media";
import { inOrder } from "./form/FormResults";
import { Media } from "./look/Media";

const SHOWN = 4;

export function ResultsTray({ tab }: { tab: string }) {
  const wanted = useSettings((settings) => settings.results);
  const id = useLive((live) => live.followed[tab]);
  const job = useQueue((queue) => queue.job(id));
  const outputs = useTabs((tabs) => tabs.tabs.find((one) => one.id === tab)?.recipe.outputs);
  if (!wanted || !job || job.artefacts.length === 0) return null;
  const items = inOrder(job.artefacts, Object.keys(outputs ?? {}));
  return (
    <section className="results-tray" aria-label="Latest results">
      {items.slice(0, SHOWN).map((item, index) => (
        <div key={item.id} className="tray-item">
          {!isPicture(item) && <Media item={item} />}
          <button
            type="button"
            aria-label={`Show ${item.output || item.name}`}
            title={item.output || item.name}
            onClick={() => showResults(items, index)}
          >
            {isPicture(item) && <Media item={item} />}
          </button>
          {index === SHOWN - 1 && items.length > SHOWN && (
            <span className="run-more" aria-hidden="true">
              +{items.length - SHOWN}
            </span>
          )}
        </div>
      ))}
      <button
        type="button"
        className="btn quiet small icon"
        aria-label="Hide latest results"
        title="Hide (shown again by the settings)"
        onClick={() => setSettings({ results: false })}
      >
        <Icon name="close" size={12} />
      </button>
    </section>
  );
}
