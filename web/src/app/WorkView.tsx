/** A tab's page: its own small bar, and its recipe as a graph or as a form. */

import { useRef } from "react";
import { GraphCanvas } from "../canvas/GraphCanvas";
import { isDirty, type Tab, useTabs } from "../commands/store";
import { run } from "../commands/table";
import { FormView } from "../panels/form/FormView";
import { ResultsTray } from "../panels/ResultsTray";
import { useDrafts } from "./drafts";
import { closeTab, download, save } from "./files";
import { Icon } from "./icons";
import { useFailures, useProblems } from "./problems";
import { set, showView, toggleDock, useShell, viewOf } from "./shell";
import { useShortcut, useTitle } from "./shortcut";
import { MenuButton } from "./ui/Menu";

/** Reads the tab in small pieces: dragging a node changes the tab sixty times a second. */
export function WorkView() {
  const id = useTabs((tabs) => tabs.active);
  const title = useTabs((tabs) => tabs.tabs.find((one) => one.id === tabs.active)?.title);
  const view = useShell((shell) => viewOf(shell.views, id));
  if (title === undefined) return null;
  return (
    <div className="work" id="tab-panel" role="tabpanel" aria-label={title}>
      <WorkBar tab={id} view={view} />
      {view === "form" ? (
        <FormView key={id} tab={id} />
      ) : (
        <div className="graph-page">
          <GraphCanvas key={id} tabId={id} />
          <ResultsTray tab={id} />
        </div>
      )}
    </div>
  );
}

function WorkBar({ tab, view }: { tab: string; view: "graph" | "form" }) {
  const history = useTitle("History", "view.history");
  const keys = {
    save: useShortcut("file.save"),
    saveAs: useShortcut("file.save-as"),
    palette: useShortcut("help.commands"),
    close: useShortcut("file.close"),
  };
  return (
    <div className="work-bar" role="toolbar" aria-label="Workflow">
      <fieldset className="segments" aria-label="View">
        <button type="button" aria-pressed={view === "graph"} onClick={() => showView(tab, "graph")}>
          <Icon name="graph" /> Graph
        </button>
        <button type="button" aria-pressed={view === "form"} onClick={() => showView(tab, "form")}>
          <Icon name="form" /> Form
        </button>
      </fieldset>
      <TitleOf tab={tab} />
      <span className="work-space" />
      <UndoButtons tab={tab} />
      <ProblemsButton tab={tab} />
      <button
        type="button"
        className="btn quiet icon"
        aria-label="History"
        title={history}
        onClick={() => toggleDock("history")}
      >
        <Icon name="history" />
      </button>
      <MenuButton
        label="Workflow menu"
        entries={[
          { label: "Save", icon: "save", shortcut: keys.save, run: () => void save(tab) },
          { label: "Save as…", icon: "copy", shortcut: keys.saveAs, run: () => set({ saveAs: tab }) },
          { label: "Download recipe", icon: "download", run: () => download(tab) },
          {
            label: "Command palette…",
            icon: "search",
            shortcut: keys.palette,
            apart: true,
            run: () => run("help.commands"),
          },
          { label: "Close tab", icon: "close", shortcut: keys.close, apart: true, run: () => closeTab(tab) },
        ]}
      >
        <Icon name="more" />
      </MenuButton>
    </div>
  );
}

function UndoButtons({ tab }: { tab: string }) {
  const last = useTabs((tabs) => tabs.tabs.find((one) => one.id === tab)?.history.past.at(-1)?.label);
  const next = useTabs((tabs) => tabs.tabs.find((one) => one.id === tab)?.history.future[0]?.label);
  const undo = useTitle(last === undefined ? "Undo" : `Undo: ${last}`, "edit.undo");
  const redo = useTitle(next === undefined ? "Redo" : `Redo: ${next}`, "edit.redo");
  return (
    <>
      <button
        type="button"
        className="btn quiet icon"
        aria-label="Undo"
        title={undo}
        disabled={last === undefined}
        onClick={() => useTabs.getState().undo(tab)}
      >
        <Icon name="undo" />
      </button>
      <button
        type="button"
        className="btn quiet icon"
        aria-label="Redo"
        title={redo}
        disabled={next === undefined}
        onClick={() => useTabs.getState().redo(tab)}
      >
        <Icon name="redo" />
      </button>
    </>
  );
}

const KEPT = { changing: "…", here: "Draft kept in this browser", server: "Draft kept" };

function TitleOf({ tab: id }: { tab: string }) {
  const tab = useTabs((tabs) => tabs.tabs.find((one) => one.id === id));
  return tab && <Title tab={tab} />;
}

function Title({ tab }: { tab: Tab }) {
  const kept = useDrafts((drafts) => drafts.kept[tab.id]);
  const input = useRef<HTMLInputElement>(null);
  const dirty = isDirty(tab);
  const state = dirty ? KEPT[kept ?? "changing"] : "Saved";
  return (
    <span className="work-title">
      <input
        ref={input}
        key={tab.title}
        className="title-field"
        aria-label="Title"
        defaultValue={tab.title}
        maxLength={200}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.value = tab.title;
          if (event.key === "Enter" || event.key === "Escape") event.currentTarget.blur();
        }}
        onBlur={(event) => {
          const title = event.target.value.trim();
          if (title === "" || title === tab.title) event.target.value = tab.title;
          else useTabs.getState().edit(tab.id, "Title", (recipe) => ({ ...recipe, title }));
        }}
      />
      <span className="hint work-state" data-state={dirty ? kept : "saved"} data-testid="save-state">
        {tab.name && `${tab.name} · `}
        {state}
      </span>
    </span>
  );
}

function ProblemsButton({ tab }: { tab: string }) {
  const problems = useProblems(tab);
  const failures = useFailures(tab);
  const errors = problems.filter((problem) => problem.severity === "error").length + failures.length;
  const warnings = problems.length + failures.length - errors;
  const label = `Problems: ${errors}${warnings > 0 ? `, warnings: ${warnings}` : ""}`;
  const title = useTitle(label, "view.problems");
  return (
    <button type="button" className="btn quiet" aria-label={label} title={title} onClick={() => toggleDock("problems")}>
      <Icon name="problems" />
      {errors > 0 && <span className="count bad">{errors}</span>}
      {errors === 0 && warnings > 0 && <span className="count warn">{warnings}</span>}
    </button>
  );
}
