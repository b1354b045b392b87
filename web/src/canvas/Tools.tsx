/** The small bar at the foot of the canvas: undo, redo, zoom, tidy, minimap, keys. */

import { useStore } from "@xyflow/react";
import { Icon, type IconName } from "../app/icons";
import { useSettings } from "../app/settings";
import { chordText } from "../commands/keys";
import { useTabs } from "../commands/store";
import { run, shortcutsOf, useCommands } from "../commands/table";

export function Tools({ tab }: { tab: string }) {
  const zoom = useStore((state) => Math.round(state.transform[2] * 100));
  const undo = useTabs((state) => state.tabs.find((t) => t.id === tab)?.history.past.at(-1)?.label);
  const redo = useTabs((state) => state.tabs.find((t) => t.id === tab)?.history.future[0]?.label);
  const minimap = useSettings((settings) => settings.minimap);
  return (
    <div className="nf-tools nf-overlay" role="toolbar" aria-label="Canvas tools">
      <Tool id="edit.undo" icon="undo" title={undo ? `Undo: ${undo}` : "Nothing to undo"} disabled={!undo} />
      <Tool id="edit.redo" icon="redo" title={redo ? `Redo: ${redo}` : "Nothing to redo"} disabled={!redo} />
      <i />
      <Tool id="view.zoom-out" icon="minus" title="Zoom out" />
      <button
        type="button"
        className="nf-zoom"
        title="Show all"
        aria-label={`Zoom ${zoom} %. Show all`}
        onClick={() => run("view.fit")}
      >
        {zoom}%
      </button>
      <Tool id="view.zoom-in" icon="plus" title="Zoom in" />
      <i />
      <Tool id="node.add" icon="search" title="Add a node" />
      <Tool id="arrange.tidy" icon="graph" title="Tidy up" />
      <Tool id="view.minimap" icon="panel" title="Minimap" pressed={minimap} />
      <Tool id="help.keys" icon="keyboard" title="Keyboard map" />
    </div>
  );
}

interface ToolProps {
  id: string;
  icon: IconName;
  title: string;
  disabled?: boolean;
  pressed?: boolean;
}

function Tool({ id, icon, title, disabled, pressed }: ToolProps) {
  const command = useCommands((table) => table.commands.get(id));
  const chord = command ? shortcutsOf(command)[0] : undefined;
  const text = chord ? `${title} (${chordText(chord)})` : title;
  return (
    <button
      type="button"
      aria-label={title}
      title={text}
      disabled={disabled}
      aria-pressed={pressed}
      onClick={() => run(id)}
    >
      <Icon name={icon} size={15} />
    </button>
  );
}
