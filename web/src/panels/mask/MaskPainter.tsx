/**
 * Paint a mask over a picture: brush, eraser, size, its own undo. One finger or the left button paints, two fingers or
 * the wheel zoom, the middle button or Space moves. With the keyboard: arrows move the brush, Enter paints.
 */

import { type KeyboardEvent, type PointerEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { inWords } from "../../api/http";
import { Icon } from "../../app/icons";
import { toast } from "../../app/toasts";
import { FullScreen } from "../look/FullScreen";
import { useSize } from "../look/useSize";
import { FIT, panned, place, type View, zoomedAt } from "../look/zoom";
import { draw, type Mark, marked, NO_MARKS, remarked, type Stroke, unmarked } from "./marks";
import { closeMaskPainter, type MaskJob, useMaskPainter } from "./open";
import { maskOf, readPicture, storeMask } from "./picture";
import type { Pixels } from "./png";

export function MaskPainter() {
  const job = useMaskPainter((state) => state.job);
  return job && <Painter key={job.address} job={job} />;
}

type Point = readonly [number, number];

function Painter({ job }: { job: MaskJob }) {
  const [picture, setPicture] = useState<Pixels | null>(null);
  const [error, setError] = useState("");
  const [marks, setMarks] = useState(NO_MARKS);
  const [tool, setTool] = useState<Stroke["kind"]>("paint");
  const [size, setSize] = useState(8);
  const [saving, setSaving] = useState(false);
  const base = useRef<ImageData | null>(null);
  const mask = useRef<HTMLCanvasElement>(null);

  useEffect(() => {
    const stop = new AbortController();
    readPicture(job.address, stop.signal).then(
      (found) => {
        base.current = maskOf(found);
        setSize(Math.max(2, Math.round(Math.max(found.width, found.height) / 12)));
        setPicture(found);
      },
      (problem: unknown) => stop.signal.aborted || setError(inWords(problem)),
    );
    return () => stop.abort();
  }, [job.address]);

  useLayoutEffect(() => {
    const context = mask.current?.getContext("2d", { willReadFrequently: true });
    if (!context || base.current === null || picture === null) return;
    context.putImageData(base.current, 0, 0);
    for (const mark of marks.done) draw(context, mark);
  }, [marks, picture]);

  const save = async () => {
    const context = mask.current?.getContext("2d");
    if (!context || picture === null) return;
    setSaving(true);
    try {
      const painted = context.getImageData(0, 0, picture.width, picture.height);
      const upload = await storeMask(picture, painted, job.name);
      closeMaskPainter();
      if (job.onDone) job.onDone(upload);
      else toast(`Stored as the upload “${upload.name}”: load it with an image node.`, "good");
    } catch (problem) {
      setError(inWords(problem));
      setSaving(false);
    }
  };
  const mark = (made: Mark) => setMarks((now) => marked(now, made));
  const largest = picture ? Math.max(picture.width, picture.height) : 64;
  const resize = (factor: number) => setSize((now) => Math.min(largest, Math.max(1, Math.round(now * factor))));
  const keys = (event: KeyboardEvent) => {
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (command && key === "z") setMarks(event.shiftKey ? remarked : unmarked);
    else if (command && key === "y") setMarks(remarked);
    else if (command || event.altKey) return;
    else if (key === "b") setTool("paint");
    else if (key === "e") setTool("erase");
    else if (key === "[") resize(0.8);
    else if (key === "]") resize(1.25);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <FullScreen
      label="Paint a mask"
      onClose={closeMaskPainter}
      onKeyDown={keys}
      tools={
        <>
          <fieldset className="segments" aria-label="Tool">
            <button type="button" aria-pressed={tool === "paint"} title="Brush (B)" onClick={() => setTool("paint")}>
              <Icon name="brush" /> Brush
            </button>
            <button type="button" aria-pressed={tool === "erase"} title="Eraser (E)" onClick={() => setTool("erase")}>
              <Icon name="eraser" /> Eraser
            </button>
          </fieldset>
          <label className="mask-size">
            <span className="hint">Size</span>
            <input
              type="range"
              min={1}
              max={largest}
              value={size}
              aria-label="Brush size"
              style={{ "--filled": `${(size / largest) * 100}%` } as React.CSSProperties}
              onChange={(event) => setSize(event.target.valueAsNumber)}
            />
            <output className="tabular">{size}</output>
          </label>
          <button
            type="button"
            className="btn quiet icon"
            aria-label="Undo stroke"
            title="Undo (Ctrl+Z)"
            disabled={marks.done.length === 0}
            onClick={() => setMarks(unmarked)}
          >
            <Icon name="undo" />
          </button>
          <button
            type="button"
            className="btn quiet icon"
            aria-label="Redo stroke"
            title="Redo (Ctrl+Shift+Z)"
            disabled={marks.undone.length === 0}
            onClick={() => setMarks(remarked)}
          >
            <Icon name="redo" />
          </button>
          <button type="button" className="btn quiet" onClick={() => mark({ kind: "invert" })}>
            Invert
          </button>
          <button type="button" className="btn quiet" onClick={() => mark({ kind: "clear" })}>
            Clear
          </button>
          <button type="button" className="btn primary" disabled={picture === null || saving} onClick={save}>
            {saving ? "Saving…" : "Save mask"}
          </button>
        </>
      }
    >
      {error && (
        <p className="mask-error" role="alert">
          {error}
        </p>
      )}
      {picture && <Easel picture={picture} mask={mask} tool={tool} size={size} onStroke={mark} />}
    </FullScreen>
  );
}

interface EaselProps {
  picture: Pixels;
  mask: React.RefObject<HTMLCanvasElement | null>;
  tool: Stroke["kind"];
  size: number;
  onStroke: (stroke: Stroke) => void;
}

function Easel({ picture, mask, tool, size, onStroke }: EaselProps) {
  const frame = useRef<HTMLDivElement>(null);
  const under = useRef<HTMLCanvasElement>(null);
  const ring = useRef<HTMLSpanElement>(null);
  const pane = useSize(frame);
  const [view, setView] = useState<View>(FIT);
  const stroke = useRef<Point[] | null>(null);
  const pointers = useRef(new Map<number, Point>());
  const cursor = useRef<Point>([picture.width / 2, picture.height / 2]);
  const placed = place(pane, picture, view);

  useLayoutEffect(() => {
    const opaque = new Uint8ClampedArray(picture.data);
    for (let at = 3; at < opaque.length; at += 4) opaque[at] = 255;
    under.current?.getContext("2d")?.putImageData(new ImageData(opaque, picture.width, picture.height), 0, 0);
  }, [picture]);

  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const [x, y] = inFrame(event);
      setView((now) => zoomedAt(pane, picture, now, 2 ** (-event.deltaY / 300), x, y));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  });

  const inFrame = (event: { clientX: number; clientY: number }): Point => {
    const box = frame.current?.getBoundingClientRect();
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)];
  };
  const inPicture = ([x, y]: Point): Point => [(x - placed.left) / placed.scale, (y - placed.top) / placed.scale];
  const showRing = ([x, y]: Point) => {
    cursor.current = [x, y];
    const across = size * placed.scale;
    if (ring.current === null) return;
    ring.current.style.width = ring.current.style.height = `${across}px`;
    ring.current.style.transform = `translate(${placed.left + x * placed.scale - across / 2}px, ${placed.top + y * placed.scale - across / 2}px)`;
  };
  const segment = (points: readonly Point[]) => {
    const context = mask.current?.getContext("2d");
    if (context) draw(context, { kind: tool, size, points });
  };
  const end = () => {
    if (stroke.current) onStroke({ kind: tool, size, points: stroke.current });
    stroke.current = null;
  };
  const down = (event: PointerEvent) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, inFrame(event));
    if (pointers.current.size > 1) {
      end();
      return;
    }
    if (event.button !== 0) return;
    const at = inPicture(inFrame(event));
    stroke.current = [at];
    segment([at]);
  };
  const move = (event: PointerEvent) => {
    const before = pointers.current.get(event.pointerId);
    const after = inFrame(event);
    showRing(inPicture(after));
    if (before === undefined) return;
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    pointers.current.set(event.pointerId, after);
    if (other) {
      const apart = (point: Point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      const factor = apart(after) / apart(before);
      setView((now) => zoomedAt(pane, picture, now, factor, (after[0] + other[0]) / 2, (after[1] + other[1]) / 2));
    } else if (stroke.current) {
      const last = stroke.current.at(-1) as Point;
      const events = event.nativeEvent.getCoalescedEvents?.() ?? [];
      const added = (events.length > 0 ? events : [event.nativeEvent]).map((each) => inPicture(inFrame(each)));
      stroke.current.push(...added);
      segment([last, ...added]);
    } else setView((now) => panned(pane, picture, now, after[0] - before[0], after[1] - before[1]));
  };
  const up = (event: PointerEvent) => {
    pointers.current.delete(event.pointerId);
    end();
  };
  const keys = (event: KeyboardEvent) => {
    const [x, y] = cursor.current;
    const by = event.shiftKey ? size : Math.max(1, size / 4);
    const to: Point | undefined = (
      { ArrowLeft: [x - by, y], ArrowRight: [x + by, y], ArrowUp: [x, y - by], ArrowDown: [x, y + by] } as const
    )[event.key as "ArrowLeft"];
    if (to) showRing(to);
    else if (event.key === "Enter" || event.key === " ") onStroke({ kind: tool, size, points: [cursor.current] });
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const sized = {
    width: `${placed.width}px`,
    height: `${placed.height}px`,
    transform: `translate(${placed.left}px, ${placed.top}px)`,
  };
  return (
    <div
      className="easel"
      ref={frame}
      role="application"
      aria-label="Picture to paint on: arrows move the brush, Enter paints"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard paints here
      tabIndex={0}
      onKeyDown={keys}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onPointerLeave={() => ring.current?.setAttribute("data-away", "")}
      onPointerEnter={() => ring.current?.removeAttribute("data-away")}
    >
      <canvas className="pixelated" ref={under} width={picture.width} height={picture.height} style={sized} />
      <canvas className="mask-layer pixelated" ref={mask} width={picture.width} height={picture.height} style={sized} />
      <span className="brush-ring" ref={ring} data-tool={tool} />
    </div>
  );
}
