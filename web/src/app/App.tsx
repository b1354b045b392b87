/** The shell: what is around the canvas. */

import { useEffect } from "react";
import { loadCatalogue } from "../api/catalogue";
import { connect } from "../api/connect";
import { onSignedOut } from "../api/http";
import { useQueue } from "../api/queue";
import { watchResults } from "../api/results";
import { registerCanvasCommands } from "../canvas/actions";
import { CommandPalette } from "../canvas/CommandPalette";
import { KeyboardMap } from "../canvas/KeyboardMap";
import { installKeys } from "../commands/keys";
import { useTabs } from "../commands/store";
import { Gallery } from "../panels/Gallery";
import { Compare } from "../panels/look/Compare";
import { Viewer } from "../panels/look/Viewer";
import { MaskPainter } from "../panels/mask/MaskPainter";
import { watchRuns } from "../panels/runs";
import { Banner } from "./Banner";
import { registerCommands } from "./commands";
import { Dialogs } from "./Dialogs";
import { Dock } from "./Dock";
import { DropZone } from "./DropZone";
import { restoreDrafts, watchDrafts } from "./drafts";
import { watchFiles } from "./files";
import { Home } from "./Home";
import { watchLongPress } from "./longPress";
import { watchProblems } from "./problems";
import { watchJobs } from "./runner";
import { watchTheme } from "./settings";
import { set, showPage, useShell } from "./shell";
import { TopBar } from "./TopBar";
import { watchTitle } from "./title";
import { Toasts } from "./toasts";
import { WorkView } from "./WorkView";

/** Everything that goes on outside of components. */
function start(): () => void {
  const stops = [
    onSignedOut(() => set({ signedOut: true })),
    useQueue.subscribe((now, before) => {
      if (now.connection === "open" && before.connection !== "open") set({ signedOut: false });
    }),
    watchTheme(),
    watchDrafts(),
    watchProblems(),
    watchJobs(),
    watchResults(),
    watchRuns(),
    watchFiles(),
    watchTitle(),
    watchLongPress(),
    registerCanvasCommands(),
    registerCommands(),
    installKeys(),
    connect(),
  ];
  void loadCatalogue();
  void restoreDrafts().then(() => {
    if (useTabs.getState().active !== "") showPage("tab");
  });
  return () => {
    for (const stop of stops.reverse()) stop();
  };
}

export function App() {
  const page = useShell((shell) => shell.page);
  const dock = useShell((shell) => shell.dock);
  const hasTab = useTabs((tabs) => tabs.active !== "");
  useEffect(start, []);
  return (
    <div className="app" data-page={page} data-dock={dock ?? ""}>
      <TopBar />
      <Banner />
      <main className="app-main">
        {page === "gallery" ? <Gallery /> : page === "tab" && hasTab ? <WorkView /> : <Home />}
        <Dock />
      </main>
      <Looking />
      <MaskPainter />
      <Dialogs />
      <CommandPalette />
      <KeyboardMap />
      <DropZone />
      <Toasts />
    </div>
  );
}

/** The full-size viewer and the comparison, over everything. */
function Looking() {
  const viewer = useShell((shell) => shell.viewer);
  const compare = useShell((shell) => shell.compare);
  if (compare) return <Compare a={compare[0]} b={compare[1]} onClose={() => set({ compare: null })} />;
  if (viewer === null) return null;
  return (
    <Viewer
      items={viewer.items}
      index={viewer.index}
      onIndex={(index) => set({ viewer: { ...viewer, index } })}
      onClose={() => set({ viewer: null })}
      onCompare={(item) => {
        set({ viewer: null, chosen: [item.id] });
        showPage("gallery");
      }}
    />
  );
}
