/** Two pictures as one: a wipe slider over both, or side by side with linked zoom; and what differs, in words. */

import { type KeyboardEvent, type PointerEvent, useEffect, useState } from "react";
import { artefactAddress, compare } from "../../api/client";
import { inWords } from "../../api/http";
import { useQueue } from "../../api/queue";
import type { ArtefactInfo, Compared } from "../../api/types";
import { valueText } from "../../app/format";
import { Icon } from "../../app/icons";
import { useJobInputs } from "../inputs";
import { differences } from "./differences";
import { FullScreen } from "./FullScreen";
import { usePictureView, ZoomTools } from "./usePictureView";
import { ZoomPane } from "./ZoomPane";
import { FIT } from "./zoom";

interface Props {
  a: ArtefactInfo;
  b: ArtefactInfo;
  onClose: () => void;
}

export function Compare({ a, b, onClose }: Props) {
  const [mode, setMode] = useState<"wipe" | "side">("wipe");
  const { view, setView, told, one } = usePictureView();
  const [wipe, setWipe] = useState(0.5);
  const keys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "1") one();
    else if (event.key === "0") setView(FIT);
    else if (event.key === "w") setMode("wipe");
    else if (event.key === "s") setMode("side");
  };
  const drag = (event: PointerEvent) => {
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (box && event.currentTarget.hasPointerCapture(event.pointerId)) {
      setWipe(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    }
  };
  const pane = (item: ArtefactInfo, clipLeft?: number) => (
    <ZoomPane
      src={artefactAddress(item.digest)}
      alt={`${item.name} of job ${item.job}`}
      size={{ width: item.width, height: item.height }}
      view={view}
      onView={setView}
      onSizes={told}
      clipLeft={clipLeft}
    />
  );
  return (
    <FullScreen
      label="Compare"
      onClose={onClose}
      onKeyDown={keys}
      tools={
        <>
          <fieldset className="segments" aria-label="How to compare">
            <button type="button" aria-pressed={mode === "wipe"} onClick={() => setMode("wipe")}>
              <Icon name="wipe" /> Wipe
            </button>
            <button type="button" aria-pressed={mode === "side"} onClick={() => setMode("side")}>
              <Icon name="compare" /> Side by side
            </button>
          </fieldset>
          <ZoomTools one={one} setView={setView} />
        </>
      }
      side={<Differences a={a} b={b} />}
    >
      {mode === "side" ? (
        <div className="side-by-side">
          <figure>
            {pane(a)}
            <figcaption>Job {a.job}</figcaption>
          </figure>
          <figure>
            {pane(b)}
            <figcaption>Job {b.job}</figcaption>
          </figure>
        </div>
      ) : (
        <div className="wipe">
          {pane(a)}
          <div className="wipe-over">{pane(b, wipe)}</div>
          <span className="wipe-label left">Job {a.job}</span>
          <span className="wipe-label right">Job {b.job}</span>
          <div
            className="wipe-handle"
            role="slider"
            tabIndex={0}
            aria-label="Wipe"
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(wipe * 100)}
            style={{ left: `${wipe * 100}%` }}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={drag}
            onKeyDown={(event) => {
              const step = event.shiftKey ? 0.1 : 0.01;
              const to = { ArrowLeft: wipe - step, ArrowRight: wipe + step, Home: 0, End: 1 }[event.key];
              if (to === undefined) return;
              event.preventDefault();
              event.stopPropagation();
              setWipe(Math.min(1, Math.max(0, to)));
            }}
          >
            <span>
              <Icon name="wipe" size={14} />
            </span>
          </div>
        </div>
      )}
    </FullScreen>
  );
}

function Differences({ a, b }: Pick<Props, "a" | "b">) {
  const [found, setFound] = useState<Compared | null>(null);
  const [error, setError] = useState("");
  const left = useJobInputs(
    useQueue((queue) => queue.job(a.job)),
    a.job,
  );
  const right = useJobInputs(
    useQueue((queue) => queue.job(b.job)),
    b.job,
  );
  useEffect(() => {
    let here = true;
    if (a.job === b.job) {
      setFound({ recipes: [], results: [] });
      return;
    }
    compare(a.job, b.job).then(
      (answer) => here && setFound(answer),
      (problem: unknown) => here && setError(inWords(problem)),
    );
    return () => {
      here = false;
    };
  }, [a.job, b.job]);
  const rows = differences(left ?? {}, right ?? {});
  return (
    <>
      <h3>What differs</h3>
      {rows.length > 0 && (
        <table className="differs">
          <thead>
            <tr>
              <th scope="col">Parameter</th>
              <th scope="col">Job {a.job}</th>
              <th scope="col">Job {b.job}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name}>
                <th scope="row">{row.name}</th>
                <td>{valueText(row.a)}</td>
                <td>{valueText(row.b)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {error && <p className="hint">{error}</p>}
      {found === null && !error && <p className="hint">Comparing…</p>}
      {found && found.recipes.length > 0 && <Lines title="Recipe" lines={found.recipes} />}
      {found && found.results.length > 0 && <Lines title="Results" lines={found.results} />}
      {found && found.recipes.length === 0 && rows.length === 0 && <p className="hint">The recipes are the same.</p>}
    </>
  );
}

function Lines({ title, lines }: { title: string; lines: readonly string[] }) {
  return (
    <section>
      <h4>{title}</h4>
      <ul className="lines">
        {[...new Set(lines)].map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  );
}
