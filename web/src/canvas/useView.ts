/** What commands may ask of the canvas that is shown: where the pointer is, show all, go to a node. */

import { useReactFlow } from "@xyflow/react";
import { type RefObject, useEffect } from "react";
import { useTabs } from "../commands/store";
import { sameValue } from "../model/json";
import type { Path } from "../model/scope";
import type { FlowEdge, FlowNode } from "./flow";
import { setView, type View } from "./ui";

/** A node to go to as soon as its view is mounted. */
let wanted: { tab: string; place: string; node: string; port: string } | null = null;

/** Go to a node (and one of its widgets), wherever it is. `at`: the definitions around it; `path`: how one gets there. */
export function reveal(tab: string, at: readonly string[], node: string, port = "", path?: Path): void {
  const place = at.join("/");
  wanted = { tab, place, node, port };
  const { activate, look, select } = useTabs.getState();
  activate(tab);
  const before = useTabs.getState().tabs.find((t) => t.id === tab)?.path ?? [];
  if (path !== undefined && !sameValue(before, path)) look(tab, { path });
  else if ((before.at(-1)?.at ?? []).join("/") !== place) {
    look(tab, { path: at.map((_, depth) => ({ at: at.slice(0, depth + 1), node: "" })) });
  }
  select(tab, node ? [node] : []);
  waiting?.();
}

let waiting: (() => void) | null = null;

const focusedPort = (root: HTMLElement, node: string, port: string) => {
  const element = root.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(node)}"]`);
  const handle = port ? element?.querySelector<HTMLElement>(`[data-port="in:${CSS.escape(port)}"]`) : null;
  const field = port
    ? [...(element?.querySelectorAll<HTMLElement>(".nf-row") ?? [])]
        .find((row) => row.dataset.input === port)
        ?.querySelector<HTMLElement>("input,textarea,button")
    : null;
  return field ?? handle ?? element;
};

export function useView(tab: string, place: string, root: RefObject<HTMLDivElement | null>): void {
  const flow = useReactFlow<FlowNode, FlowEdge>();
  useEffect(() => {
    const element = root.current;
    if (element === null) return;
    let pointer: readonly [number, number] | null = null;
    const onMove = (event: PointerEvent) => {
      pointer = [event.clientX, event.clientY];
    };
    const onLeave = () => {
      pointer = null;
    };
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const duration = still ? 0 : 220;
    const view: View = {
      tab,
      fit(selection) {
        const chosen = selection ? flow.getNodes().filter((node) => node.selected) : [];
        void flow.fitView({
          nodes: chosen.length ? chosen : undefined,
          padding: 0.14,
          maxZoom: selection ? 1.4 : 1,
          duration,
        });
      },
      zoom(by) {
        void flow.zoomTo(flow.getZoom() * by, { duration: still ? 0 : 120 });
      },
      spot() {
        const box = element.getBoundingClientRect();
        const screen = pointer ?? ([box.left + box.width / 2, box.top + box.height / 2] as const);
        const { x, y } = flow.screenToFlowPosition({ x: screen[0], y: screen[1] }, { snapToGrid: false });
        return { at: [x, y], screen };
      },
      focus: () => element.focus({ preventScroll: true }),
    };
    const go = () => {
      if (wanted === null || wanted.tab !== tab || wanted.place !== place) return;
      const { node, port } = wanted;
      wanted = null;
      const found = flow.getNode(node);
      if (found === undefined) return;
      const [x, y] = [found.position.x + (found.width ?? 0) / 2, found.position.y + (found.height ?? 0) / 2];
      void flow.setCenter(x, y, { zoom: Math.max(0.9, flow.getZoom()), duration: 0 }).then(() => {
        requestAnimationFrame(() =>
          requestAnimationFrame(() => focusedPort(element, node, port)?.focus({ preventScroll: true })),
        );
      });
    };
    waiting = go;
    const timer = setTimeout(go, 60);
    setView(view);
    element.addEventListener("pointermove", onMove);
    element.addEventListener("pointerleave", onLeave);
    return () => {
      clearTimeout(timer);
      if (waiting === go) waiting = null;
      setView(null);
      element.removeEventListener("pointermove", onMove);
      element.removeEventListener("pointerleave", onLeave);
    };
  }, [tab, place, root, flow]);
}
