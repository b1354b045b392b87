/** The menu under the pointer (right button, the menu key, long press): commands that fit what it is about. */

import { useEffect, useLayoutEffect, useRef } from "react";
import { createPortal } from "react-dom";
import { chordText } from "../commands/keys";
import { editView, useTabs } from "../commands/store";
import { run, shortcutsOf, useCommands } from "../commands/table";
import { toggleMapped } from "../model/edits";
import { fresh } from "../model/ids";
import { declareInput, declareOutput, disconnect, removeDeclared, undeclare } from "../model/links";
import { declaredFor, endOf, endText, own, type Recipe, wires } from "../model/recipe";
import { INPUTS } from "./flow";
import { scopeOf } from "./selection";
import { colour, colourNames } from "./types";
import { currentView, type MenuRequest, setUi, useUi } from "./ui";
import { withoutWires } from "./wiring";

interface Item {
  label: string;
  command?: string;
  run?: () => void;
  danger?: boolean;
  checked?: boolean;
}

export function ContextMenu({ tab }: { tab: string }) {
  const menu = useUi((ui) => ui.menu);
  return menu ? <MenuBox key={menu.screen.join()} tab={tab} menu={menu} /> : null;
}

const COMMON = ["edit.copy", "edit.duplicate", "edit.delete"];
const BY_KIND: Record<MenuRequest["kind"], string[][]> = {
  pane: [
    ["node.add", "note.add", "frame.add"],
    ["edit.paste", "edit.all"],
    ["arrange.tidy", "view.fit"],
    ["edit.undo", "edit.redo"],
  ],
  node: [
    ["sub.enter", "node.rename", "node.connect", "node.mute", "node.bypass"],
    ["node.collapse", "node.hide"],
    ["sub.make", "sub.unpack", "frame.add"],
    [...COMMON, "edit.reconnect"],
  ],
  group: [
    ["node.rename", "node.collapse", "node.mute", "node.bypass"],
    ["frame.fit", "frame.select", "sub.make"],
    COMMON,
  ],
  note: [["node.rename"], COMMON],
  wire: [],
  port: [],
  interface: [],
};

function MenuBox({ tab, menu }: { tab: string; menu: MenuRequest }) {
  const { commands, bindings } = useCommands();
  const list = useRef<HTMLDivElement>(null);
  const close = (focus = true) => {
    setUi({ menu: null });
    if (focus) currentView()?.focus();
  };
  useLayoutEffect(() => {
    const box = list.current;
    if (box === null) return;
    box.style.left = `${Math.max(8, Math.min(menu.screen[0], window.innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${Math.max(8, Math.min(menu.screen[1], window.innerHeight - box.offsetHeight - 8))}px`;
    box.querySelector<HTMLElement>("[role^=menuitem]:not(:disabled)")?.focus();
  }, [menu]);
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      if (!list.current?.contains(event.target as Node)) setUi({ menu: null });
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  }, []);
  const sections: Item[][] = [
    ...(menu.port || menu.kind === "wire" ? special(tab, menu) : []),
    ...BY_KIND[menu.kind].map((ids) =>
      ids.flatMap((id): Item[] => {
        const command = commands.get(id);
        return command && command.enabled?.() !== false
          ? [{ label: command.title, command: id, danger: id === "edit.delete" }]
          : [];
      }),
    ),
  ].filter((items) => items.length > 0);
  if (sections.length === 0) return null;
  const pick = (item: Item) => {
    close();
    if (item.command === "node.add") setUi({ palette: { at: menu.at, screen: menu.screen } });
    else if (item.command) run(item.command);
    else item.run?.();
  };
  const coloured = menu.kind === "node" || menu.kind === "group" || menu.kind === "note";
  return createPortal(
    <div
      className="menu nf-menu"
      role="menu"
      aria-label="Actions"
      tabIndex={-1}
      ref={list}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={(event) => {
        const items = [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]:not(:disabled)") ?? [])];
        const at = items.indexOf(document.activeElement as HTMLElement);
        if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
        else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
        else if (event.key === "Escape" || event.key === "Tab") close();
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {sections.map((items, i) => (
        <div key={items[0]?.label} role="none">
          {i > 0 && <hr />}
          {items.map((item) => {
            const command = item.command ? commands.get(item.command) : undefined;
            const chord = command ? (command.fixed?.[0] ?? shortcutsOf(command, bindings)[0]) : undefined;
            return (
              // biome-ignore lint/a11y/useAriaPropsSupportedByRole: the role is a checkbox's where it is checked
              <button
                key={item.label}
                type="button"
                role={item.checked === undefined ? "menuitem" : "menuitemcheckbox"}
                aria-checked={item.checked}
                className={item.danger ? "menu-item danger" : "menu-item"}
                onClick={() => pick(item)}
              >
                <span>{item.label}</span>
                {item.checked && <span aria-hidden="true">✓</span>}
                {chord && <kbd>{chordText(chord)}</kbd>}
              </button>
            );
          })}
        </div>
      ))}
      {coloured && (
        // biome-ignore lint/a11y/useSemanticElements: a row of a menu
        <div className="nf-colours" role="group" aria-label="Colour">
          {["", ...colourNames.slice(1)].map((name) => (
            <button
              key={name}
              type="button"
              role="menuitem"
              aria-label={name || "no colour"}
              title={name || "no colour"}
              style={name ? { background: colour(name) } : undefined}
              onClick={() => {
                close();
                run("node.colour", name);
              }}
            />
          ))}
        </div>
      )}
    </div>,
    document.body,
  );
}

/** What can be done with a port or a wire. */
function special(tab: string, menu: MenuRequest): Item[][] {
  const here = scopeOf(tab);
  if (here === undefined) return [];
  const edit = (label: string, change: (scope: Recipe) => Recipe) => () => void editView(tab, label, change);
  if (menu.kind === "wire") {
    return [
      [
        {
          label: "Delete the wire",
          danger: true,
          run: edit("Delete a wire", (s) => withoutWires(s, new Set([menu.id]))),
        },
      ],
    ];
  }
  const port = menu.port;
  if (port === undefined) return [];
  if (menu.id.startsWith("interface:")) {
    if (port.name === "+") return [];
    const side = menu.id === INPUTS ? "inputs" : "outputs";
    return [
      [
        { label: "Rename…", run: () => setUi({ renaming: `${menu.id}.${port.name}` }) },
        { label: "Remove", danger: true, run: edit("Remove a port", (s) => removeDeclared(s, side, port.name)) },
      ],
    ];
  }
  const end = { node: menu.id, port: port.name };
  const what = here.at.length ? "of the subgraph" : "of the workflow";
  if (port.side === "out") {
    const shown = Object.entries(here.scope.outputs ?? {}).find(([, link]) => link === endText(end))?.[0];
    const gone = wires(here.scope).filter((w) => endText(w.from) === endText(end));
    return [
      [
        shown === undefined
          ? {
              label: `Make it an output ${what}`,
              checked: false,
              run: edit("Declare an output", (s) =>
                declareOutput(
                  s,
                  fresh(port.name, (n) => Object.hasOwn(s.outputs ?? {}, n)),
                  end,
                ),
              ),
            }
          : {
              label: `Output “${shown}” ${what}`,
              checked: true,
              run: edit("No output", (s) => removeDeclared(s, "outputs", shown)),
            },
        ...(gone.length
          ? [
              {
                label: `Cut ${gone.length === 1 ? "its wire" : `its ${gone.length} wires`}`,
                danger: true,
                run: edit("Cut wires", (s) => disconnect(s, gone)),
              },
            ]
          : []),
      ],
    ];
  }
  const node = own(here.scope.nodes, end.node);
  const declared = declaredFor(here.scope, end);
  const gone = wires(here.scope).filter((w) => endText(w.to) === endText(end));
  const mapped = (kind: "each" | "product") => node?.[kind]?.includes(port.name) ?? false;
  return [
    [
      declared === undefined
        ? {
            label: `Make it an input ${what}`,
            checked: false,
            run: edit("Declare an input", (s) =>
              declareInput(
                s,
                fresh(port.name, (n) => Object.hasOwn(s.inputs ?? {}, n)),
                end,
              ),
            ),
          }
        : { label: `Input “${declared}” ${what}`, checked: true, run: edit("No input", (s) => undeclare(s, end)) },
    ],
    [
      {
        label: "Run once per item of a list (each)",
        checked: mapped("each"),
        run: edit("Map", (s) => toggleMapped(s, end, "each")),
      },
      {
        label: "Every combination with the other lists (product)",
        checked: mapped("product"),
        run: edit("Map", (s) => toggleMapped(s, end, "product")),
      },
    ],
    gone.length
      ? [
          {
            label:
              gone.length === 1 ? `Cut the wire from ${endOf(endText(gone[0]?.from ?? end)).node}` : "Cut its wires",
            danger: true,
            run: edit("Cut wires", (s) => disconnect(s, gone)),
          },
        ]
      : [],
  ];
}

/** Close the menu when another tab comes. */
export const closeMenus = (): void => setUi({ menu: null, palette: null, renaming: "", knife: false });
useTabs.subscribe((now, before) => {
  if (now.active !== before.active) closeMenus();
});
