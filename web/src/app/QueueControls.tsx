/** Always in the same place: how long the queue is, cancel, clear, how many, and Queue. */

import { useLive } from "../api/live";
import { perCent, progressOf } from "../api/progress";
import { running, useQueue } from "../api/queue";
import { useTabs } from "../commands/store";
import { Icon } from "./icons";
import { cancelCurrent, clearAll, queueActive } from "./runner";
import { set, toggleDock, useShell } from "./shell";
import { useTitle } from "./shortcut";
import { shownJob } from "./title";

const LARGEST_BATCH = 999;

export function QueueControls() {
  const batch = useShell((shell) => shell.batch);
  const open = useShell((shell) => shell.page === "tab");
  const hasTab = useTabs((tabs) => tabs.active !== "");
  const jobs = useQueue((queue) => queue.jobs);
  const queued = useQueue((queue) => queue.queued);
  const count = running(jobs).length;
  const ready = open && hasTab;
  const cancel = useTitle("Cancel the current run", "run.cancel");
  const queue = useTitle("Queue", "run.queue");
  return (
    <div className="queue-controls" role="toolbar" aria-label="Run">
      <QueueLength running={count} queued={queued} />
      <button
        type="button"
        className="btn icon"
        aria-label="Cancel current"
        title={cancel}
        disabled={count === 0}
        onClick={() => void cancelCurrent()}
      >
        <Icon name="stop" size={14} />
      </button>
      <button
        type="button"
        className="btn icon"
        aria-label="Clear all"
        title="Clear the queue and stop what runs"
        disabled={count + queued === 0}
        onClick={() => void clearAll()}
      >
        <Icon name="clear" />
      </button>
      <span className="queue-button">
        <input
          type="number"
          inputMode="numeric"
          className="batch"
          aria-label="Batch count"
          title="How many runs to queue"
          min={1}
          max={LARGEST_BATCH}
          value={batch}
          onChange={(event) => {
            const wanted = Math.round(event.target.valueAsNumber);
            if (wanted >= 1) set({ batch: Math.min(LARGEST_BATCH, wanted) });
          }}
          onFocus={(event) => event.target.select()}
        />
        <button
          type="button"
          className="btn primary"
          title={queue}
          aria-keyshortcuts="Control+Enter"
          disabled={!ready}
          onClick={() => void queueActive()}
        >
          <Icon name="play" size={14} />
          Queue
        </button>
      </span>
    </div>
  );
}

function QueueLength({ running: count, queued }: { running: number; queued: number }) {
  const paused = useQueue((queue) => queue.paused);
  const open = useShell((shell) => shell.dock === "queue");
  const active = useTabs((tabs) => tabs.active);
  const jobs = useQueue((queue) => queue.jobs);
  const share = useLive((live) => {
    const job = shownJob(jobs, live.followed[active]);
    return job === undefined ? null : perCent(progressOf(job, live.nodes(job.id)));
  });
  const state = paused ? "paused" : count > 0 ? "running" : "idle";
  const label = `Queue length: ${queued} waiting, ${count} running${paused ? ", paused" : ""}`;
  return (
    <button
      type="button"
      className="btn queue-length"
      data-state={state}
      aria-label={label}
      title={label}
      aria-pressed={open}
      onClick={() => toggleDock("queue")}
    >
      {state === "running" ? <Ring share={share ?? 0} /> : <Icon name={paused ? "pause" : "queue"} />}
      <span className="tabular">{count + queued}</span>
      {share !== null && <span className="queue-share tabular">{share}%</span>}
    </button>
  );
}

const ROUND = 2 * Math.PI * 6;

function Ring({ share }: { share: number }) {
  return (
    <svg className="ring" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6" />
      <circle cx="8" cy="8" r="6" pathLength={ROUND} strokeDasharray={`${(share / 100) * ROUND} ${ROUND}`} />
    </svg>
  );
}
