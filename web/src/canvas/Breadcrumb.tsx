/** Where one is: the workflow, and the subgraphs that were entered. */

import { type Tab, useTabs } from "../commands/store";
import { checkId } from "../model/ids";
import { renameDefinition } from "../model/subgraph";
import { leave } from "./actions/subgraphs";
import { Rename } from "./Rename";
import { editActive } from "./selection";
import { setUi, useUi } from "./ui";

export function Breadcrumb({ tab }: { tab: string }) {
  const path = useTabs((state) => state.tabs.find((t) => t.id === tab)?.path);
  const title = useTabs((state) => state.tabs.find((t) => t.id === tab)?.title);
  const renaming = useUi((ui) => ui.renaming === "definition:");
  if (path === undefined || path.length === 0) return null;
  return (
    <nav className="nf-crumbs" aria-label="Subgraphs">
      <button type="button" onClick={() => leave(tab, 0)}>
        {title || "Workflow"}
      </button>
      {path.map((step, depth) => {
        const name = step.at.at(-1) ?? "";
        const last = depth === path.length - 1;
        return (
          <span key={step.at.join("/")}>
            <i aria-hidden="true">›</i>
            {!last ? (
              <button type="button" onClick={() => leave(tab, depth + 1)}>
                {name}
              </button>
            ) : renaming ? (
              <Rename label="Name of the subgraph" value={name} onDone={(to) => rename(tab, path, to.trim())} />
            ) : (
              <button
                type="button"
                aria-current="page"
                title="Rename the subgraph"
                onClick={() => setUi({ renaming: "definition:" })}
              >
                {name}
              </button>
            )}
          </span>
        );
      })}
      <button
        type="button"
        className="nf-crumb-close"
        aria-label="Leave the subgraph"
        title="Leave the subgraph (Esc)"
        onClick={() => leave(tab)}
      >
        ✕
      </button>
    </nav>
  );
}

/** The definition that is looked at under another name; done from outside, then one looks into it again. */
function rename(tab: string, path: Tab["path"], to: string): void {
  const step = path.at(-1);
  if (step === undefined) return;
  const { look } = useTabs.getState();
  const outer = step.at.slice(0, -1);
  look(tab, { path: path.slice(0, -1).length ? [...path.slice(0, -1)] : [] });
  const done =
    outer.join("/") === (path.at(-2)?.at ?? []).join("/") &&
    editActive("Rename the subgraph", (scope) => {
      checkId(to);
      return renameDefinition(scope, step.at.at(-1) ?? "", to);
    });
  look(tab, { path: done ? [...path.slice(0, -1), { ...step, at: [...outer, to] }] : path });
}
