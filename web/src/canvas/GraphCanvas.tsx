/**
 * The canvas of a tab. React Flow draws and tells what the pointer does; the document changes only by edits, and what is
 * drawn is derived from it. One of these is mounted for each view (a tab and the subgraph that it looks at).
 */

import {
  Background,
  BackgroundVariant,
  ConnectionMode,
  PanOnScrollMode,
  ReactFlow,
  ReactFlowProvider,
  SelectionMode,
  useStore,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { memo, type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { useCatalogue } from "../api/catalogue";
import { useResults } from "../api/results";
import { useSettings } from "../app/settings";
import { placeOf, useTabs } from "../commands/store";
import { definitionAt, eventPrefix } from "../model/scope";
import { GRID } from "../model/tidy";
import { Announcer } from "./Announcer";
import { GhostView, InterfaceView, RerouteView } from "./BorderViews";
import { Breadcrumb } from "./Breadcrumb";
import { noteDrawn } from "./boxes";
import { ConnectDialog } from "./ConnectDialog";
import { ContextMenu } from "./ContextMenu";
import { installClipboard } from "./clipboard";
import { useConnecting } from "./connecting";
import { FarWires } from "./FarWires";
import { FrameView } from "./FrameView";
import { FlowCache, type FlowEdge, type FlowNode } from "./flow";
import { Knife } from "./Knife";
import { Minimap } from "./Minimap";
import { NO_MOVES, shownMoved } from "./moving";
import { NodeView } from "./NodeView";
import { NoteView } from "./NoteView";
import { Palette } from "./Palette";
import { Tools } from "./Tools";
import { useGestures } from "./useGestures";
import { useView } from "./useView";
import { FAR, ViewContext } from "./view";
import { DraftWire, WireView } from "./WireView";
import { isValid } from "./wiring";
import "./canvas.css";
import "./parts.css";

const nodeTypes = {
  op: NodeView,
  frame: FrameView,
  note: NoteView,
  reroute: RerouteView,
  interface: InterfaceView,
  ghost: GhostView,
};
const edgeTypes = { wire: WireView };
const SNAP: [number, number] = [GRID, GRID];
const MULTI = ["Shift", "Control", "Meta"];

export function GraphCanvas({ tabId }: { tabId: string }) {
  const place = useTabs((state) => {
    const tab = state.tabs.find((t) => t.id === tabId);
    return tab ? placeOf(tab).join("/") : null;
  });
  const loading = useCatalogue((catalogue) => catalogue.state === "loading");
  if (place === null) return null;
  if (loading) return <div className="nf-canvas" aria-busy="true" />;
  return (
    <ReactFlowProvider key={`${tabId}:${place}`}>
      <Canvas tab={tabId} place={place} />
    </ReactFlowProvider>
  );
}

const coarse = typeof matchMedia === "function" && matchMedia("(pointer: coarse)").matches;

function Canvas({ tab, place }: { tab: string; place: string }) {
  const root = useRef<HTMLDivElement>(null);
  const cache = useRef<FlowCache>(null);
  cache.current ??= new FlowCache();
  const recipe = useTabs((state) => state.tabs.find((t) => t.id === tab)?.recipe);
  const selection = useTabs((state) => state.tabs.find((t) => t.id === tab)?.selection);
  const lines = useTabs((state) => state.tabs.find((t) => t.id === tab)?.selectedWires);
  const nodeTypesKnown = useCatalogue((catalogue) => catalogue.nodeTypes);
  const state = useCatalogue((catalogue) => catalogue.state);
  const prefix = useTabs((state) => eventPrefix(state.tabs.find((t) => t.id === tab)?.path ?? []));
  const results = useResults((made) => made.tabs[tab]);
  const { wheel, snap, minimap } = useSettings();
  const at = useMemo(() => (place === "" ? [] : place.split("/")), [place]);
  const flow = useMemo(() => {
    if (!recipe || !selection || !lines) return { nodes: [], edges: [] };
    const made = results && ((id: string) => results.get(prefix + id));
    return (cache.current as FlowCache).derive(tab, recipe, at, { nodeTypes: nodeTypesKnown }, selection, lines, made);
  }, [tab, recipe, at, nodeTypesKnown, selection, lines, results, prefix]);
  const scope = recipe && (definitionAt(recipe, at) ?? recipe);
  if (scope) noteDrawn(tab, scope, flow.nodes);
  const start = useMemo(() => useTabs.getState().tabs.find((t) => t.id === tab)?.viewports[place], [tab, place]);
  const [fit] = useState(start === undefined && flow.nodes.length > 0);
  useView(tab, place, root);
  useEffect(installClipboard, []);
  const [moves, setMoves] = useState(NO_MOVES);
  const nodes = useMemo(() => (moves.size ? shownMoved(flow.nodes, moves) : flow.nodes), [flow.nodes, moves]);
  const gestures = useGestures(tab, place, root, setMoves);
  const far = useStore((store) => store.transform[2] < FAR);
  const edges = useMemo(() => {
    const chosen = far ? flow.edges.filter((edge) => edge.selected) : flow.edges;
    return { chosen, others: far ? flow.edges.filter((edge) => !edge.selected) : [] };
  }, [far, flow.edges]);
  const view = useMemo(() => ({ far, place, prefix }), [far, place, prefix]);
  const wiring = useConnecting((connecting) => connecting.origin !== null);
  return (
    <section
      ref={root}
      className="nf-canvas"
      aria-label="Canvas: Tab adds a node, arrow keys go to the nodes"
      data-canvas=""
      data-place={place}
      data-wiring={wiring || undefined}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the pane takes keys: Tab adds, arrows go to the nodes
      tabIndex={0}
      {...gestures.root}
    >
      <ViewContext value={view}>
        <ReactFlow<FlowNode, FlowEdge>
          nodes={nodes}
          edges={edges.chosen}
          nodeTypes={nodeTypes}
          edgeTypes={edgeTypes}
          {...gestures.flow}
          isValidConnection={isValid}
          connectionLineComponent={DraftWire}
          connectionMode={ConnectionMode.Strict}
          connectionRadius={26}
          defaultViewport={start}
          fitView={fit}
          fitViewOptions={{ padding: 0.14, maxZoom: 1, minZoom: 0.15 }}
          minZoom={0.08}
          maxZoom={2.5}
          onlyRenderVisibleElements
          snapToGrid={snap}
          snapGrid={SNAP}
          deleteKeyCode={null}
          selectionKeyCode={null}
          multiSelectionKeyCode={MULTI}
          zoomActivationKeyCode={null}
          panActivationKeyCode="Space"
          panOnDrag={coarse ? true : [1]}
          selectionOnDrag={!coarse}
          selectionMode={SelectionMode.Partial}
          panOnScroll={wheel === "pan"}
          panOnScrollMode={PanOnScrollMode.Free}
          zoomOnScroll={wheel === "zoom"}
          zoomOnPinch
          zoomOnDoubleClick={false}
          noPanClassName={coarse ? "nopan" : "nf-nopan"}
          elevateNodesOnSelect={false}
          edgesFocusable={false}
          edgesReconnectable
          reconnectRadius={12}
          nodeDragThreshold={2}
          disableKeyboardA11y={false}
          proOptions={{ hideAttribution: true }}
        >
          <Background variant={BackgroundVariant.Dots} gap={GRID} size={1.4} color="var(--grid-dot)" />
          {far && <FarWires nodes={nodes} edges={edges.others} hands={gestures.wires} />}
          {minimap && nodes.length > 0 && <Minimap tab={tab} nodes={nodes} />}
        </ReactFlow>
      </ViewContext>
      <Around tab={tab} root={root} />
      {state === "ready" && flow.nodes.length === 0 && (
        <div className="nf-empty">
          <p>
            Double click, or press <kbd>Tab</kbd>, to add the first node.
          </p>
          <p className="hint">Drop a picture or a recipe here to open what made it.</p>
        </div>
      )}
    </section>
  );
}

/** What lies over the graph; not drawn again when something in the graph moves. */
const Around = memo(function Around({ tab, root }: { tab: string; root: RefObject<HTMLDivElement | null> }) {
  return (
    <>
      <Breadcrumb tab={tab} />
      <Tools />
      <Knife tab={tab} root={root} />
      <Palette tab={tab} />
      <ContextMenu tab={tab} />
      <ConnectDialog tab={tab} />
      <Announcer />
    </>
  );
});
