/** All results, newest first: look at one in full size, choose two to compare. */

import { useEffect, useState } from "react";
import type { ArtefactInfo } from "../api/types";
import { Icon } from "../app/icons";
import { set, showResults, useShell } from "../app/shell";
import { isPicture } from "../model/media";
import { History } from "./History";
import { Media } from "./look/Media";
import { More } from "./More";
import { useArtefacts } from "./runs";

export function Gallery() {
  const [list, setList] = useState<"results" | "runs">("results");
  return (
    <section className="page gallery" aria-label="Gallery">
      <header className="page-head">
        <h1>Gallery</h1>
        <fieldset className="segments" aria-label="Show">
          <button type="button" aria-pressed={list === "results"} onClick={() => setList("results")}>
            <Icon name="gallery" /> Results
          </button>
          <button type="button" aria-pressed={list === "runs"} onClick={() => setList("runs")}>
            <Icon name="history" /> Runs
          </button>
        </fieldset>
      </header>
      {list === "results" ? (
        <Results />
      ) : (
        <div className="page-list">
          <History />
        </div>
      )}
    </section>
  );
}

function Results() {
  const { items, before, loading, error, more } = useArtefacts();
  const chosen = useShell((shell) => shell.chosen);
  useEffect(() => {
    if (useArtefacts.getState().before === undefined) void more();
  }, [more]);
  const choose = (item: ArtefactInfo) =>
    set(({ chosen: now }) => ({
      chosen: now.includes(item.id) ? now.filter((id) => id !== item.id) : [...now.slice(-1), item.id],
    }));
  const [one, other] = chosen.map((id) => items.find((item) => item.id === id));
  if (before === null && items.length === 0) {
    return (
      <div className="empty">
        <Icon name="gallery" size={32} />
        <strong>No results yet</strong>
        <span>What your runs make is kept here, with the workflow and the parameters that made it.</span>
      </div>
    );
  }
  return (
    <>
      <ul className="grid" aria-label="Results, newest first">
        {items.map((item, index) => (
          <li key={item.id} className="tile" data-chosen={chosen.includes(item.id)}>
            <div className="tile-media checker">
              {!isPicture(item) && <Media item={item} />}
              <button
                type="button"
                aria-label={`Show ${item.name} of job ${item.job}`}
                onClick={() => showResults(items, index)}
              >
                {isPicture(item) && <Media item={item} />}
              </button>
            </div>
            <div className="tile-foot">
              <span className="tile-name">{item.output || item.name}</span>
              <span className="hint tabular">#{item.job}</span>
              {isPicture(item) && (
                <input
                  type="checkbox"
                  className="tick"
                  aria-label={`Choose ${item.name} of job ${item.job} to compare`}
                  checked={chosen.includes(item.id)}
                  onChange={() => choose(item)}
                />
              )}
            </div>
          </li>
        ))}
      </ul>
      <More shown={before !== null} loading={loading} error={error} more={more} />
      {chosen.length > 0 && (
        <div className="choice" role="toolbar" aria-label="Chosen results">
          <span>{chosen.length === 1 ? "Choose another to compare" : "2 chosen"}</span>
          <button
            type="button"
            className="btn primary small"
            disabled={!one || !other}
            onClick={() => one && other && set({ compare: one.id < other.id ? [one, other] : [other, one] })}
          >
            <Icon name="compare" /> Compare
          </button>
          <button type="button" className="btn quiet small" onClick={() => set({ chosen: [] })}>
            Clear
          </button>
        </div>
      )}
    </>
  );
}
