/** A wire: a curve in its type's colour, through its bends. */

import { BaseEdge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";
import type { Point } from "../model/layout";
import type { FlowEdge } from "./flow";
import { colour, useType } from "./types";
import { useUi } from "./ui";

/** A curve that leaves to the right and comes from the left, through the points in between. */
export function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let path = `M${first[0]},${first[1]}`;
  let [x, y] = first;
  for (const [toX, toY] of rest) {
    const gap = Math.abs(toX - x);
    const reach = toX >= x ? Math.max(gap / 2, Math.min(40, Math.abs(toY - y) / 2.5)) : Math.min(220, 40 + gap / 2.5);
    path += `C${x + reach},${y} ${toX - reach},${toY} ${toX},${toY}`;
    [x, y] = [toX, toY];
  }
  return path;
}

/** From the outer side of a port to that of another: it begins and ends a little inside of them. */
export const wirePath = ([x, y]: Point, [toX, toY]: Point, points: readonly Point[]): string =>
  curve([[x - 4, y], ...points, [toX + 4, toY]]);

export const WireView = memo(function WireView({
  id,
  sourceX,
  sourceY,
  targetX,
  targetY,
  data,
  selected,
  interactionWidth,
}: EdgeProps<FlowEdge>) {
  const info = useType(data?.type ?? "any");
  const into = useUi((ui) => ui.into === id);
  const path = wirePath([sourceX, sourceY], [targetX, targetY], data?.points ?? []);
  return (
    <BaseEdge
      id={id}
      path={path}
      interactionWidth={interactionWidth ?? 16}
      className="nf-wire"
      data-wire={id}
      data-quiet={data?.quiet || undefined}
      data-selected={selected || undefined}
      data-into={into || undefined}
      data-list={info.shape === "ring" || undefined}
      style={{ "--c": colour(info.colour) } as React.CSSProperties}
    />
  );
});

/** The wire while it is drawn. */
export function DraftWire({
  fromX,
  fromY,
  toX,
  toY,
  fromPosition,
}: {
  fromX: number;
  fromY: number;
  toX: number;
  toY: number;
  fromPosition: string;
}) {
  const ends: Point[] =
    fromPosition === "left"
      ? [
          [toX, toY],
          [fromX, fromY],
        ]
      : [
          [fromX, fromY],
          [toX, toY],
        ];
  return (
    <g className="nf-draft">
      <path d={curve(ends)} fill="none" />
      <circle cx={toX} cy={toY} r="4" />
    </g>
  );
}
