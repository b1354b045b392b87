/** The panel at the side: the queue, the history, or the problems of the open tab. */

import { useTabs } from "../commands/store";
import { History } from "../panels/History";
import { Icon, type IconName } from "./icons";
import { ProblemsPanel } from "./ProblemsPanel";
import { QueuePanel } from "./QueuePanel";
import { type Dock as Name, set, useShell } from "./shell";

const PANELS: { name: Name; title: string; icon: IconName }[] = [
  { name: "queue", title: "Queue", icon: "queue" },
  { name: "history", title: "History", icon: "history" },
  { name: "problems", title: "Problems", icon: "problems" },
];

export function Dock() {
  const dock = useShell((shell) => shell.dock);
  const active = useTabs((tabs) => tabs.active);
  if (dock === null) return null;
  return (
    <aside className="dock" aria-label={PANELS.find((panel) => panel.name === dock)?.title}>
      <header className="dock-head">
        <fieldset className="segments" aria-label="Panels">
          {PANELS.map((panel) => (
            <button
              key={panel.name}
              type="button"
              aria-pressed={dock === panel.name}
              onClick={() => set({ dock: panel.name })}
            >
              {panel.title}
            </button>
          ))}
        </fieldset>
        <button
          type="button"
          className="btn quiet small icon"
          aria-label="Close panel"
          title="Close"
          onClick={() => set({ dock: null })}
        >
          <Icon name="close" />
        </button>
      </header>
      <div className="dock-body">
        {dock === "queue" && <QueuePanel />}
        {dock === "history" && <History />}
        {dock === "problems" && <ProblemsPanel tab={active} />}
      </div>
    </aside>
  );
}
