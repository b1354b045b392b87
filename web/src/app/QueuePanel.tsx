/** What runs and what waits, in order: cancel one, move one, pause all. */

import { type DragEvent, useState } from "react";
import { useLive } from "../api/live";
import { finishedOf, perCent, progressOf } from "../api/progress";
import { running, useQueue, waiting } from "../api/queue";
import type { Job } from "../api/types";
import { cancelJob, moveJob, raiseJob, reopenJob } from "../panels/runs";
import { ago, valueText } from "./format";
import { Icon } from "./icons";
import { setPaused } from "./runner";
import { MenuButton } from "./ui/Menu";
import { ProgressBar } from "./ui/ProgressBar";

/** Rows beyond this are only counted: a sweep may hold thousands. */
const SHOWN = 100;

export function QueuePanel() {
  const jobs = useQueue((queue) => queue.jobs);
  const queued = useQueue((queue) => queue.queued);
  const paused = useQueue((queue) => queue.paused);
  const now = running(jobs);
  const next = waiting(jobs);
  const [dragged, setDragged] = useState<number | null>(null);
  const drop = (target: Job) => {
    const job = next.find((one) => one.id === dragged);
    setDragged(null);
    if (!job || job.id === target.id) return;
    const below = next.indexOf(job) < next.indexOf(target);
    const before = below ? next[next.indexOf(target) + 1] : target;
    void moveJob(job, before?.id ?? 0);
  };
  return (
    <>
      <div className="dock-tools">
        <span className="hint tabular" data-testid="queue-summary">
          {now.length} running · {queued} waiting
        </span>
        <button type="button" className="btn small" aria-pressed={paused} onClick={() => void setPaused(!paused)}>
          <Icon name={paused ? "play" : "pause"} size={12} /> {paused ? "Resume queue" : "Pause queue"}
        </button>
      </div>
      {paused && <p className="notice">The queue is paused: what runs goes on, nothing new starts.</p>}
      {now.length > 0 && (
        <ul className="runs" aria-label="Running">
          {now.map((job) => (
            <RunningRow key={job.id} job={job} />
          ))}
        </ul>
      )}
      {next.length > 0 && (
        <ol className="runs" aria-label="Waiting">
          {next.slice(0, SHOWN).map((job, index) => (
            <WaitingRow
              key={job.id}
              job={job}
              place={index + 1}
              first={next[0]}
              dragged={dragged === job.id}
              onDrag={() => setDragged(job.id)}
              onDrop={() => drop(job)}
            />
          ))}
        </ol>
      )}
      {queued > Math.min(next.length, SHOWN) && (
        <p className="hint more">and {queued - Math.min(next.length, SHOWN)} more</p>
      )}
      {now.length === 0 && next.length === 0 && (
        <div className="empty">
          <Icon name="queue" size={28} />
          <strong>Nothing is waiting</strong>
          <span>Queue runs the open workflow. What you queue survives reloads and restarts.</span>
        </div>
      )}
    </>
  );
}

const inputsText = (job: Job) =>
  Object.values(job.inputs)
    .map((value) => valueText(value))
    .join(" · ");

function RunningRow({ job }: { job: Job }) {
  const share = useLive((live) => progressOf(job, live.nodes(job.id)));
  const finished = useLive((live) => finishedOf(job, live.nodes(job.id)));
  const preview = useLive((live) => {
    for (const node of live.nodes(job.id).values()) if (node.state === "running" && node.preview) return node.preview;
    return null;
  });
  return (
    <li className="run" data-state="running" data-job={job.id}>
      <span className="run-picture checker">
        {preview ? <img className="pixelated" src={preview} alt="Preview" /> : <span className="spinner" />}
      </span>
      <div className="run-facts">
        <div className="run-title">
          <strong>{job.title || "Untitled"}</strong>
          <span className="hint tabular">#{job.id}</span>
        </div>
        <p className="hint tabular">
          {perCent(share)}% · step {finished} of {job.steps}
          {job.cached_steps > 0 && ` · ${job.cached_steps} cached`}
        </p>
        <ProgressBar label={`Job ${job.id}`} share={share} />
      </div>
      <div className="run-actions">
        <CancelButton job={job} icon="stop" />
      </div>
    </li>
  );
}

interface WaitingProps {
  job: Job;
  place: number;
  first: Job | undefined;
  dragged: boolean;
  onDrag: () => void;
  onDrop: () => void;
}

function WaitingRow({ job, place, first, dragged, onDrag, onDrop }: WaitingProps) {
  const over = (event: DragEvent) => {
    if (event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
  };
  return (
    <li
      className="run waiting"
      data-state="queued"
      data-job={job.id}
      data-dragged={dragged}
      draggable
      onDragStart={(event) => {
        event.dataTransfer.effectAllowed = "move";
        onDrag();
      }}
      onDragOver={over}
      onDrop={(event) => {
        event.preventDefault();
        onDrop();
      }}
    >
      <span className="run-place tabular">{place}</span>
      <div className="run-facts">
        <div className="run-title">
          <strong>{job.title || "Untitled"}</strong>
          <span className="hint tabular">#{job.id}</span>
        </div>
        <p className="hint run-line">
          {job.priority !== 0 && `priority ${job.priority} · `}
          {inputsText(job) || ago(job.created)}
        </p>
      </div>
      <div className="run-actions">
        <MenuButton
          label={`More about job ${job.id}`}
          className="btn quiet small icon"
          entries={[
            {
              label: "Run next",
              icon: "top",
              disabled: first === undefined || first.id === job.id,
              run: () =>
                void (first && first.priority > job.priority
                  ? raiseJob(job, first.priority + 1)
                  : moveJob(job, first?.id ?? 0)),
            },
            { label: "Raise priority", icon: "up", run: () => void raiseJob(job, Math.min(1000, job.priority + 1)) },
            { label: "Lower priority", icon: "down", run: () => void raiseJob(job, Math.max(-1000, job.priority - 1)) },
            { label: "Open workflow", icon: "open", apart: true, run: () => void reopenJob(job.id) },
          ]}
        >
          <Icon name="more" />
        </MenuButton>
        <CancelButton job={job} icon="close" />
      </div>
    </li>
  );
}

function CancelButton({ job, icon }: { job: Job; icon: "stop" | "close" }) {
  return (
    <button
      type="button"
      className="btn quiet small icon"
      aria-label={`Cancel job ${job.id}`}
      title="Cancel"
      onClick={() => void cancelJob(job)}
    >
      <Icon name={icon} size={12} />
    </button>
  );
}
