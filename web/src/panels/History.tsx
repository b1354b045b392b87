/** The runs of the past, newest first, page by page. */

import { useEffect, useState } from "react";
import { isOver } from "../api/queue";
import type { Job } from "../api/types";
import { Icon } from "../app/icons";
import { set } from "../app/shell";
import { MenuButton } from "../app/ui/Menu";
import { isPicture } from "../model/media";
import { More } from "./More";
import { RunRow } from "./RunRow";
import { clearHistory, useRuns } from "./runs";

const WEEK = 7 * 24 * 3600;

export function History() {
  const { items, before, loading, error, more } = useRuns();
  const [chosen, setChosen] = useState<readonly number[]>([]);
  useEffect(() => {
    if (useRuns.getState().before === undefined) void more();
  }, [more]);
  const over = items.filter(isOver);
  const choose = (job: Job) =>
    setChosen((now) => (now.includes(job.id) ? now.filter((id) => id !== job.id) : [...now.slice(-1), job.id]));
  const pair = chosen.map((id) => over.find((job) => job.id === id)?.artefacts.find(isPicture));
  const [one, other] = pair;
  return (
    <>
      {over.length > 0 && (
        <div className="dock-tools">
          <span className="hint">
            {chosen.length === 0 ? "Tick two runs to compare them" : `${chosen.length} of 2`}
          </span>
          <button
            type="button"
            className="btn small"
            disabled={!one || !other}
            onClick={() => one && other && set({ compare: one.job < other.job ? [one, other] : [other, one] })}
          >
            <Icon name="compare" /> Compare
          </button>
          <MenuButton
            label="Forget runs"
            className="btn quiet small icon"
            entries={[
              { label: "Forget failed and cancelled runs", run: () => void clearHistory(["failed", "cancelled"]) },
              { label: "Forget runs older than a week", run: () => void clearHistory(undefined, WEEK) },
              { label: "Forget all runs", icon: "trash", danger: true, apart: true, run: () => void clearHistory() },
            ]}
          >
            <Icon name="more" />
          </MenuButton>
        </div>
      )}
      <ul className="runs" aria-label="Runs, newest first">
        {over.map((job) => (
          <RunRow key={job.id} job={job} chosen={chosen.includes(job.id)} onChoose={choose} />
        ))}
      </ul>
      {before === null && over.length === 0 && (
        <div className="empty">
          <Icon name="history" size={28} />
          <strong>Nothing has run yet</strong>
          <span>Each run is kept here with its results and the parameters that were used.</span>
        </div>
      )}
      <More shown={before !== null} loading={loading} error={error} more={more} />
    </>
  );
}
