/** The small bar at the foot of the canvas: zoom, add, tidy, minimap, keys. */

import { useStore } from "@xyflow/react";
import { Icon, type IconName } from "../app/icons";
import { useSettings } from "../app/settings";
import { chordText } from "../commands/keys";
import { run, shortcutsOf, useCommands } from "../commands/table";

export function Tools() {
  const zoom = useStore((state) => Math.round(state.transform[2] * 100));
  const minimap = useSettings((settings) => settings.minimap);
  return (
    <div className="nf-tools nf-overlay" role="toolbar" aria-label="Canvas tools">
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
