/** How far a node's run is. Reads its own entry of the live store, so an event draws one of these again. */

import { memo } from "react";
import { useNodeLive } from "../api/live";
import { useNodeResults } from "../api/results";

const TIME = (seconds: number) =>
  seconds < 0.0995
    ? `${Math.max(1, Math.round(seconds * 1000))} ms`
    : seconds < 9.95
      ? `${seconds.toFixed(1)} s`
      : seconds < 99.5
        ? `${Math.round(seconds)} s`
        : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

/** In the title: step n of N while it runs, then the time it took or "cached". */
export const NodeProgress = memo(function NodeProgress({ tab, name }: { tab: string; name: string }) {
  const live = useNodeLive(tab, name);
  if (live === undefined) return null;
  const { state, done, total } = live;
  const share = state === "running" && total > 0 ? Math.min(1, done / total) : null;
  return (
    <>
      {state === "running" && (
        <span className="nf-status" data-state="running">
          {total > 0 ? `${done} of ${total}` : live.text || "running"}
        </span>
      )}
      {state === "done" && (
        <span className="nf-status" data-state="done">
          {TIME(live.seconds)}
        </span>
      )}
      {(state === "cached" || state === "failed" || state === "blocked" || state === "cancelled") && (
        <span className="nf-status" data-state={state}>
          {state}
        </span>
      )}
      {state === "running" && (
        <span
          className="nf-progress"
          role="progressbar"
          aria-label={`${name} is running`}
          aria-valuemin={0}
          aria-valuemax={total || undefined}
          aria-valuenow={total ? done : undefined}
          data-unknown={share === null || undefined}
        >
          <span style={share === null ? undefined : { transform: `scaleX(${share})` }} />
        </span>
      )}
    </>
  );
});

/** A node that shows what it made shows its previews there. */
function Preview({ tab, name, src }: { tab: string; name: string; src: string }) {
  const shown = useNodeResults(tab, name) !== undefined;
  return shown ? null : <img src={src} alt={`Preview of ${name}`} draggable={false} className="nf-preview" />;
}

/** Below the node: the latest preview, text as it is written, what went wrong. */
export const NodeFoot = memo(function NodeFoot({ tab, name }: { tab: string; name: string }) {
  const live = useNodeLive(tab, name);
  if (live === undefined) return null;
  const { preview, written, message, state, warnings } = live;
  const wrong = state === "failed" ? message : "";
  if (!preview && !written && !wrong && warnings.length === 0) return null;
  return (
    <div className="nf-foot" data-state={state}>
      {wrong && (
        <p className="nf-wrong" role="alert">
          {wrong}
        </p>
      )}
      {state !== "failed" &&
        warnings.map((warning) => (
          <p className="nf-warning" key={warning}>
            {warning}
          </p>
        ))}
      {preview && <Preview tab={tab} name={name} src={preview} />}
      {written && <p className="nf-written">{written.slice(-600)}</p>}
    </div>
  );
});
