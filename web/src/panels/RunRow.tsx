/** A run in a list: what it made, how it went, with which parameters, and what can be done with it. */

import { thumbnailAddress } from "../api/client";
import type { Job } from "../api/types";
import { ago, duration, titleOf, valueText } from "../app/format";
import { Icon } from "../app/icons";
import { showResults } from "../app/shell";
import { MenuButton } from "../app/ui/Menu";
import { isPicture } from "../model/media";
import { useJobInputs } from "./inputs";
import { removeJob, reopenJob, retryJob } from "./runs";

const STATES = {
  queued: "Queued",
  running: "Running",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};

interface Props {
  job: Job;
  chosen?: boolean;
  onChoose?: (job: Job) => void;
}

export function RunRow({ job, chosen, onChoose }: Props) {
  const pictures = job.artefacts.filter(isPicture);
  const first = pictures[0];
  const title = job.title || "Untitled";
  return (
    <li className="run" data-state={job.state} data-job={job.id}>
      {first ? (
        <span className="run-picture checker">
          <button
            type="button"
            aria-label={`Show the results of job ${job.id}`}
            onClick={() => showResults(job.artefacts, job.artefacts.indexOf(first))}
          >
            <img className="pixelated" src={thumbnailAddress(first.digest)} alt="" loading="lazy" draggable={false} />
          </button>
          {job.artefacts.length > 1 && (
            <span className="run-more" aria-hidden="true">
              {job.artefacts.length}
            </span>
          )}
        </span>
      ) : (
        <span className="run-picture" aria-hidden="true">
          <Icon name={job.state === "failed" ? "problems" : job.state === "cancelled" ? "stop" : "queue"} />
        </span>
      )}
      <div className="run-facts">
        <div className="run-title">
          <strong>{title}</strong>
          <span className="hint tabular">#{job.id}</span>
        </div>
        <p className="hint">
          <span className="state" data-state={job.state}>
            {STATES[job.state]}
          </span>
          {job.started !== null && job.finished !== null && ` in ${duration(job.finished - job.started)}`}
          {` · ${ago(job.finished ?? job.created)}`}
        </p>
        {job.error && <p className="run-error">{job.error}</p>}
        <InputLine job={job} />
      </div>
      <div className="run-actions">
        {onChoose && first && (
          <input
            type="checkbox"
            className="tick"
            aria-label={`Choose job ${job.id} to compare`}
            checked={chosen}
            onChange={() => onChoose(job)}
          />
        )}
        <MenuButton
          label={`More about job ${job.id}`}
          className="btn quiet small icon"
          entries={[
            { label: "Open workflow", icon: "open", run: () => void reopenJob(job.id) },
            {
              label: "Run again",
              icon: "retry",
              disabled: job.state === "running" || job.state === "queued",
              run: () => void retryJob(job),
            },
            {
              label: "Remove from history",
              icon: "trash",
              danger: true,
              apart: true,
              disabled: job.state === "running" || job.state === "queued",
              run: () => void removeJob(job),
            },
          ]}
        >
          <Icon name="more" />
        </MenuButton>
      </div>
    </li>
  );
}

function InputLine({ job }: { job: Job }) {
  const inputs = useJobInputs(job, job.id);
  const rows = Object.entries(inputs ?? {});
  if (rows.length === 0) return null;
  return (
    <p className="run-inputs">
      {rows.map(([name, value]) => (
        <span key={name}>
          <span className="hint">{titleOf(name)}</span> {valueText(value)}
        </span>
      ))}
    </p>
  );
}
