/** What a tab's run gives: previews while it runs, then its declared outputs. */

import { useLive } from "../../api/live";
import { perCent, progressOf } from "../../api/progress";
import { useQueue } from "../../api/queue";
import type { ArtefactInfo, Job } from "../../api/types";
import { duration, titleOf } from "../../app/format";
import { Icon } from "../../app/icons";
import { useFailures } from "../../app/problems";
import { revealFailure } from "../../app/reveal";
import { showResults } from "../../app/shell";
import { useShortcut } from "../../app/shortcut";
import { ProgressBar } from "../../app/ui/ProgressBar";
import { isPicture } from "../../model/media";
import { Media } from "../look/Media";

export function FormResults({ tab, outputs }: { tab: string; outputs: readonly string[] }) {
  const id = useLive((live) => live.followed[tab]);
  const job = useQueue((queue) => queue.job(id));
  return (
    <section className="form-results" aria-label="Results" data-state={job?.state ?? "none"}>
      {job === undefined ? <Nothing /> : <Results tab={tab} job={job} outputs={outputs} />}
    </section>
  );
}

function Nothing() {
  const keys = useShortcut("run.queue");
  return (
    <div className="empty">
      <span className="empty-frame">
        <Icon name="gallery" size={32} />
      </span>
      <strong>Results appear here</strong>
      <span>
        Press Queue, or <kbd>{keys}</kbd>.
      </span>
    </div>
  );
}

/** Declared outputs first, in the recipe's order; then what nodes saved besides. */
export function inOrder(artefacts: readonly ArtefactInfo[], outputs: readonly string[]): ArtefactInfo[] {
  const place = (item: ArtefactInfo) => (outputs.includes(item.output) ? outputs.indexOf(item.output) : outputs.length);
  return [...artefacts].sort((a, b) => place(a) - place(b) || a.index - b.index || a.id - b.id);
}

function Results({ tab, job, outputs }: { tab: string; job: Job; outputs: readonly string[] }) {
  const items = inOrder(job.artefacts, outputs);
  const [main, ...others] = [...items.filter(isPicture), ...items.filter((item) => !isPicture(item))];
  return (
    <>
      <Status job={job} />
      {job.state === "running" && <Preview job={job} />}
      {job.state === "failed" && <Failed tab={tab} job={job} />}
      {main && job.state !== "running" && (
        <Result item={main} large onOpen={() => showResults(items, items.indexOf(main))} />
      )}
      {others.length > 0 && job.state !== "running" && (
        <div className="result-row">
          {others.map((item) => (
            <Result key={item.id} item={item} onOpen={() => showResults(items, items.indexOf(item))} />
          ))}
        </div>
      )}
    </>
  );
}

function Status({ job }: { job: Job }) {
  const share = useLive((live) => progressOf(job, live.nodes(job.id)));
  const seconds = job.started !== null && job.finished !== null ? job.finished - job.started : null;
  const words = {
    queued: "Waiting in the queue",
    running: `Running, ${perCent(share)}%`,
    completed: `Done${seconds === null ? "" : ` in ${duration(seconds)}`}`,
    failed: "Failed",
    cancelled: "Cancelled",
  }[job.state];
  return (
    <div className="form-status">
      <span className="state" data-state={job.state}>
        {words}
      </span>
      {job.state === "completed" && job.cached_steps > 0 && (
        <span className="hint">
          {job.cached_steps === job.steps ? "all from the cache" : `${job.cached_steps} of ${job.steps} steps cached`}
        </span>
      )}
      {job.state === "running" && <ProgressBar label="Progress" share={share} />}
    </div>
  );
}

function Preview({ job }: { job: Job }) {
  const preview = useLive((live) => {
    let found: string | null = null;
    for (const node of live.nodes(job.id).values()) {
      if (node.preview && (found === null || node.state === "running")) found = node.preview;
    }
    return found;
  });
  const written = useLive((live) => {
    for (const node of live.nodes(job.id).values()) if (node.state === "running" && node.written) return node.written;
    return "";
  });
  return (
    <div className="result large preview">
      {preview ? (
        <img className="media-picture pixelated" src={preview} alt="Preview" draggable={false} />
      ) : (
        <span className="spinner" />
      )}
      {written && <p className="media-text large">{written}</p>}
    </div>
  );
}

function Failed({ tab, job }: { tab: string; job: Job }) {
  const failures = useFailures(tab);
  return (
    <div className="form-failed" role="alert">
      <p>{job.error || "The run failed."}</p>
      {failures.map((failure) => (
        <button key={failure.node} type="button" className="btn small" onClick={() => revealFailure(tab, failure)}>
          Show {failure.node} in the graph
        </button>
      ))}
    </div>
  );
}

function Result({ item, large = false, onOpen }: { item: ArtefactInfo; large?: boolean; onOpen: () => void }) {
  return (
    <figure className={large ? "result large" : "result"} data-output={item.output}>
      {isPicture(item) ? (
        <button type="button" aria-label={`Show ${item.output || item.name}`} onClick={onOpen}>
          <Media item={item} large={large} />
        </button>
      ) : (
        <Media item={item} large />
      )}
      <figcaption className="hint">{titleOf(item.output || item.name)}</figcaption>
    </figure>
  );
}
