/** A widget in a node: bound to the document by commands. A wired input shows its source and is read-only. */

import { useMemo } from "react";
import { uploadAddress } from "../api/client";
import { address } from "../api/http";
import type { InputPort } from "../api/types";
import { editView, placeOf, tabOf, useTabs } from "../commands/store";
import { setValue } from "../model/edits";
import type { Value } from "../model/json";
import { seedMode, withEntry, withSeedMode } from "../model/layout";
import { own, put } from "../model/recipe";
import { definitionAt } from "../model/scope";
import { TEXT_HEIGHT } from "../model/shape";
import { openMaskPainter } from "../panels/mask/open";
import type { OpData } from "./flow";
import { Widget } from "./widgets/Widget";

interface Props {
  data: OpData;
  port: InputPort;
  problem?: string;
}

export function Field({ data, port, problem }: Props) {
  const { tab, id, node } = data;
  const label = port.name.replace(/_/g, " ");
  const link = own(node.links, port.name);
  const mapped = node.each?.includes(port.name) || node.product?.includes(port.name);
  const names = useDefinitionNames(tab, port.type === "Body");
  const last = useTabs((state) => {
    const found = state.tabs.find((t) => t.id === tab);
    return found?.lastSeeds[`${[...placeOf(found), id].join("/")}.${port.name}`];
  });
  if (link !== undefined) {
    const text = typeof link === "string" ? link : link.join(", ");
    return (
      <div className="nf-wired" title={`${label} comes from ${text}`}>
        <span className="nf-label">{label}</span>
        <output className="nf-source" aria-label={`${label}, from ${text}`}>
          ← {text}
        </output>
      </div>
    );
  }
  const value = own(node.values, port.name);
  const fedBy = data.fed[port.name];
  const inSub = fedBy !== undefined && placeOf(tabOf(tab) ?? ({ path: [] } as never)).length > 0;
  const change = (next: Value | undefined) => {
    const end = { node: id, port: port.name };
    editView(tab, `Change ${id}.${port.name}`, (scope) => setValue(scope, end, next), { key: `${id}.${port.name}` });
  };
  const gesture = (phase: "start" | "end" | "cancel") => {
    const { hold, release } = useTabs.getState();
    if (phase === "start") hold(tab, `Change ${id}.${port.name}`);
    else release(tab, { cancel: phase === "cancel" });
  };
  const paint = (name: string) =>
    openMaskPainter({
      address: name.startsWith("http") ? name : uploadAddress(name) || address(name),
      name,
      onDone: (made) => change(made.name),
    });
  return (
    <>
      <Widget
        port={port}
        value={value}
        label={label}
        problem={problem}
        choices={names}
        onChange={change}
        onGesture={gesture}
        seed={
          port.widget === "seed" && !mapped
            ? {
                mode: seedMode(data.entry, port.name),
                last,
                setMode: (mode) =>
                  void editView(tab, `Seed ${mode}`, (scope) => withSeedMode(scope, id, port.name, mode)),
              }
            : undefined
        }
        height={
          port.widget === "multiline"
            ? ((own(data.entry.heights, port.name) as number | undefined) ?? TEXT_HEIGHT)
            : undefined
        }
        onHeight={(height) =>
          void editView(tab, "Resize the text", (scope) =>
            withEntry(scope, id, { heights: put(data.entry.heights, port.name, Math.round(height)) }),
          )
        }
        onPaint={paint}
      />
      {fedBy !== undefined && (
        <span
          className="nf-fed"
          title={inSub ? `Fed by the subgraph's input “${fedBy}”` : `Declared input “${fedBy}”`}
        />
      )}
    </>
  );
}

/** The sub-workflows that a node here can run, by name. */
function useDefinitionNames(tab: string, wanted: boolean): readonly string[] | undefined {
  const found = useTabs((state) => (wanted ? state.tabs.find((t) => t.id === tab) : undefined));
  const recipe = found?.recipe;
  const place = found ? placeOf(found).join("/") : "";
  return useMemo(() => {
    if (recipe === undefined) return undefined;
    const at = place === "" ? [] : place.split("/");
    const names = at
      .concat("")
      .flatMap((_, depth) => Object.keys(definitionAt(recipe, at.slice(0, depth))?.definitions ?? {}));
    return [...new Set(names)];
  }, [recipe, place]);
}
