/** A pane that shows a picture at a view: wheel and pinch zoom at the pointer, a drag moves, pixels stay square. */

import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { useSize } from "./useSize";
import { onPixels, panned, place, type Size, type View, zoomedAt } from "./zoom";

interface Props {
  src: string;
  alt: string;
  /** 0 by 0 when not known: then the picture says. */
  size: Size;
  view: View;
  onView: (view: View) => void;
  /** Tells the pane's and the picture's sizes, for 1:1. */
  onSizes?: (pane: Size, picture: Size) => void;
  /** Cut off what is left of this share of the pane. */
  clipLeft?: number;
  children?: ReactNode;
}

export function ZoomPane({ src, alt, size, view, onView, onSizes, clipLeft, children }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const pane = useSize(frame);
  const [natural, setNatural] = useState<Size>(size);
  const picture = size.width > 0 ? size : natural;
  const pointers = useRef(new Map<number, { x: number; y: number }>());
  const now = useRef({ pane, picture, view });
  now.current = { pane, picture, view };

  useEffect(() => {
    if (pane.width > 0 && picture.width > 0) onSizes?.(pane, picture);
  }, [pane, picture, onSizes]);

  const local = useCallback((x: number, y: number) => {
    const box = frame.current?.getBoundingClientRect();
    return { x: x - (box?.left ?? 0), y: y - (box?.top ?? 0) };
  }, []);

  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const { pane, picture, view } = now.current;
      const at = local(event.clientX, event.clientY);
      onView(zoomedAt(pane, picture, view, 2 ** (-event.deltaY / (event.ctrlKey ? 100 : 300)), at.x, at.y));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [onView, local]);

  const move = (event: React.PointerEvent) => {
    const held = pointers.current;
    const before = held.get(event.pointerId);
    if (before === undefined) return;
    const after = { x: event.clientX, y: event.clientY };
    const others = [...held.entries()].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    held.set(event.pointerId, after);
    const other = others[0];
    if (other === undefined) {
      onView(panned(pane, picture, view, after.x - before.x, after.y - before.y));
      return;
    }
    const apart = (point: { x: number; y: number }) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
    const middle = local((after.x + other.x) / 2, (after.y + other.y) / 2);
    onView(zoomedAt(pane, picture, view, apart(after) / apart(before), middle.x, middle.y));
  };

  const placed = onPixels(place(pane, picture, view), window.devicePixelRatio);
  return (
    <div
      className="zoom-pane"
      ref={frame}
      onPointerDown={(event) => {
        if (event.button > 1) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      }}
      onPointerMove={move}
      onPointerUp={(event) => pointers.current.delete(event.pointerId)}
      onPointerCancel={(event) => pointers.current.delete(event.pointerId)}
      style={clipLeft === undefined ? undefined : { clipPath: `inset(0 0 0 ${clipLeft * 100}%)` }}
    >
      <img
        className={placed.sharp ? "pixelated" : ""}
        src={src}
        alt={alt}
        draggable={false}
        data-scale={placed.scale.toFixed(3)}
        onLoad={(event) => {
          const image = event.currentTarget;
          setNatural({ width: image.naturalWidth, height: image.naturalHeight });
        }}
        style={{
          // Scaled by a transform: a size in halves of pixels would be rounded.
          width: `${picture.width}px`,
          height: `${picture.height}px`,
          transform: `translate(${placed.left}px, ${placed.top}px) scale(${placed.scale})`,
          visibility: picture.width > 0 && pane.width > 0 ? "visible" : "hidden",
        }}
      />
      {children}
    </div>
  );
}
