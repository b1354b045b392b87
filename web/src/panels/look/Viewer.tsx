/** A result in full size: arrows go through the others, Escape closes, 1 shows one pixel for one without smoothing. */

import { type KeyboardEvent, useEffect } from "react";
import { artefactAddress, downloadAddress } from "../../api/client";
import { useQueue } from "../../api/queue";
import type { ArtefactInfo } from "../../api/types";
import { ago, bytes } from "../../app/format";
import { Icon } from "../../app/icons";
import { isPicture } from "../../model/media";
import { openMaskPainter } from "../mask/open";
import { Parameters } from "../Parameters";
import { reopenJob } from "../runs";
import { FullScreen } from "./FullScreen";
import { Media } from "./Media";
import { usePictureView, ZoomTools } from "./usePictureView";
import { ZoomPane } from "./ZoomPane";
import { FIT } from "./zoom";

interface Props {
  items: readonly ArtefactInfo[];
  index: number;
  onIndex: (index: number) => void;
  onClose: () => void;
  /** Show this one beside another. */
  onCompare?: (item: ArtefactInfo) => void;
}

export function Viewer({ items, index, onIndex, onClose, onCompare }: Props) {
  const { view, setView, told, one } = usePictureView();
  const item = items[index];
  const digest = item?.digest;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another picture starts at the fitting view
  useEffect(() => setView(FIT), [digest]);
  if (item === undefined) return null;
  const step = (by: number) => onIndex(Math.min(items.length - 1, Math.max(0, index + by)));
  const keys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowRight" || event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") step(-1);
    else if (event.key === "Home") onIndex(0);
    else if (event.key === "End") onIndex(items.length - 1);
    else if (event.key === "1") one();
    else if (event.key === "0") setView(FIT);
    else return;
    event.preventDefault();
  };
  const picture = isPicture(item);
  return (
    <FullScreen
      label={item.name}
      onClose={onClose}
      onKeyDown={keys}
      tools={
        <>
          <span className="hint tabular" aria-live="polite">
            {index + 1} of {items.length}
          </span>
          {picture && <ZoomTools one={one} setView={setView} />}
        </>
      }
      side={<Facts item={item} onClose={onClose} onCompare={onCompare} />}
    >
      {picture ? (
        <ZoomPane
          key={item.digest}
          src={artefactAddress(item.digest)}
          alt={`${item.name} of job ${item.job}`}
          size={{ width: item.width, height: item.height }}
          view={view}
          onView={setView}
          onSizes={told}
        />
      ) : (
        <Media item={item} large />
      )}
      <button
        type="button"
        className="full-step left"
        aria-label="Previous"
        disabled={index === 0}
        onClick={() => step(-1)}
      >
        <Icon name="left" size={20} />
      </button>
      <button
        type="button"
        className="full-step right"
        aria-label="Next"
        disabled={index === items.length - 1}
        onClick={() => step(1)}
      >
        <Icon name="right" size={20} />
      </button>
    </FullScreen>
  );
}

function Facts({ item, onClose, onCompare }: Pick<Props, "onClose" | "onCompare"> & { item: ArtefactInfo }) {
  const job = useQueue((queue) => queue.job(item.job));
  return (
    <>
      <section>
        <h3>{job?.title || `Job ${item.job}`}</h3>
        <p className="hint">
          Job {item.job} · {ago(item.created)}
          <br />
          {item.width > 0 && `${item.width} × ${item.height} · `}
          {bytes(item.bytes)} · {item.media_type}
        </p>
      </section>
      <section>
        <h4>Parameters</h4>
        <Parameters job={job} id={item.job} />
      </section>
      <section className="full-actions">
        <button
          type="button"
          className="btn primary"
          onClick={() => {
            onClose();
            void reopenJob(item.job);
          }}
        >
          <Icon name="open" /> Open workflow
        </button>
        {onCompare && isPicture(item) && (
          <button type="button" className="btn" onClick={() => onCompare(item)}>
            <Icon name="compare" /> Compare with…
          </button>
        )}
        {isPicture(item) && (
          <button
            type="button"
            className="btn"
            onClick={() => {
              onClose();
              openMaskPainter({ address: artefactAddress(item.digest), name: item.name });
            }}
          >
            <Icon name="brush" /> Paint a mask
          </button>
        )}
        <a className="btn" href={downloadAddress(item.digest)} download={item.name}>
          <Icon name="download" /> Download
        </a>
      </section>
    </>
  );
}
