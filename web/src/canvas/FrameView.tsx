/** A frame around nodes: title, colour, resize; collapsed it hides what it holds. Lives in the layout only. */

import { type NodeProps, NodeResizeControl } from "@xyflow/react";
import { memo } from "react";
import { editView, useTabs } from "../commands/store";
import { changeGroup } from "../model/layout";
import type { GroupNode } from "./flow";
import { toggleFrame } from "./frames";
import { Rename } from "./Rename";
import { withColour } from "./types";
import { setUi, useUi } from "./ui";

export const FrameView = memo(
  function FrameView({ id, data, selected }: NodeProps<GroupNode>) {
    const { tab, index, group } = data;
    const renaming = useUi((ui) => ui.renaming === id);
    return (
      <div
        className="nf-frame"
        data-frame={index}
        data-collapsed={group.collapsed || undefined}
        data-selected={selected || undefined}
        style={group.colour ? withColour(group.colour) : undefined}
      >
        {/* biome-ignore lint/a11y/noStaticElementInteractions: F2 renames, too */}
        <div
          className="nf-frame-title"
          onDoubleClick={(event) => {
            event.stopPropagation();
            setUi({ renaming: id });
          }}
        >
          <button
            type="button"
            className="nf-fold nodrag"
            aria-expanded={!group.collapsed}
            aria-label={group.collapsed ? "Expand the frame" : "Collapse the frame"}
            onClick={() => toggleFrame(tab, index)}
          >
            <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
              <path
                d={group.collapsed ? "M3.5 2 6.5 5 3.5 8" : "M2 3.5 5 6.5 8 3.5"}
                fill="none"
                stroke="currentColor"
                strokeWidth="1.5"
                strokeLinecap="round"
                strokeLinejoin="round"
              />
            </svg>
          </button>
          {renaming ? (
            <Rename
              label="Title of the frame"
              value={group.title}
              onDone={(title) => editView(tab, "Rename the frame", (scope) => changeGroup(scope, index, { title }))}
            />
          ) : (
            <span>{group.title || "Frame"}</span>
          )}
          {group.collapsed && <small>{group.nodes.length} nodes</small>}
        </div>
        {selected && !group.collapsed && (
          <Resize
            tab={tab}
            minWidth={120}
            minHeight={72}
            onResize={(x, y, width, height) =>
              editView(tab, "Resize the frame", (scope) =>
                changeGroup(scope, index, { at: [x, y], size: [width, height] }),
              )
            }
          />
        )}
      </div>
    );
  },
  (a, b) => a.data === b.data && a.selected === b.selected,
);

interface ResizeProps {
  tab: string;
  minWidth: number;
  minHeight: number;
  onResize: (x: number, y: number, width: number, height: number) => void;
}

/** A grip in the lower right corner; the drag is one step. */
export function Resize({ tab, minWidth, minHeight, onResize }: ResizeProps) {
  const { hold, release } = useTabs.getState();
  return (
    <NodeResizeControl
      position="bottom-right"
      className="nf-grip"
      minWidth={minWidth}
      minHeight={minHeight}
      onResizeStart={() => hold(tab, "Resize")}
      onResize={(_event, { x, y, width, height }) =>
        onResize(Math.round(x), Math.round(y), Math.round(width), Math.round(height))
      }
      onResizeEnd={() => release(tab)}
    />
  );
}
