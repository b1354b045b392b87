/** One declared input as a labelled field. The control is the one that nodes have; a list gets a line for each item. */

import { useId } from "react";
import { uploadAddress } from "../../api/client";
import type { InputPort } from "../../api/types";
import { Widget } from "../../canvas/widgets/Widget";
import { useTabs } from "../../commands/store";
import { entryOf, seedMode, withSeedMode } from "../../model/layout";
import type { End, Value } from "../../model/recipe";
import { openMaskPainter } from "../mask/open";
import type { FieldOf } from "./FormView";
import { itemsOf } from "./items";
import { TextArea } from "./TextArea";

interface Props {
  tab: string;
  field: FieldOf;
  problem: string;
  onChange: (value: Value | undefined) => void;
}

export function Field({ tab, field, problem, onChange }: Props) {
  const id = useId();
  const port = field.declared?.port ?? null;
  const about = (field.description || port?.doc || "").replaceAll("`", "");
  return (
    <div className="form-field" data-input={field.name} data-problem={problem !== ""}>
      <label className="form-label" htmlFor={id}>
        {field.title}
      </label>
      {port !== null && field.end !== null && (
        <Control id={id} tab={tab} field={field} port={port} end={field.end} problem={problem} onChange={onChange} />
      )}
      {problem !== "" && <p className="form-problem">{problem}</p>}
      {about !== "" && <p className="hint">{about}</p>}
    </div>
  );
}

interface ControlProps extends Props {
  id: string;
  port: InputPort;
  end: End;
}

function Control({ id, tab, field, port, end, problem, onChange }: ControlProps) {
  const mode = useTabs((tabs) => {
    const recipe = tabs.tabs.find((one) => one.id === tab)?.recipe;
    return recipe && seedMode(entryOf(recipe, end.node), end.port);
  });
  const last = useTabs((tabs) => tabs.tabs.find((one) => one.id === tab)?.lastSeeds[`${end.node}.${end.port}`]);
  if (Array.isArray(field.value)) return <ListField id={id} items={field.value} onChange={onChange} />;
  const gesture = (phase: "start" | "end" | "cancel") => {
    const { hold, release } = useTabs.getState();
    if (phase === "start") hold(tab, field.title);
    else release(tab, { cancel: phase === "cancel" });
  };
  return (
    <Widget
      look="form"
      id={id}
      port={port}
      label={field.title}
      value={field.value}
      problem={problem}
      onChange={onChange}
      onGesture={gesture}
      onPaint={(name) => openMaskPainter({ address: uploadAddress(name), name, onDone: (made) => onChange(made.name) })}
      seed={
        port.widget === "seed" && mode !== undefined
          ? {
              mode,
              last,
              setMode: (next) =>
                void useTabs
                  .getState()
                  .edit(tab, `Seed ${next}`, (recipe) => withSeedMode(recipe, end.node, end.port, next)),
            }
          : undefined
      }
    />
  );
}

function ListField({ id, items, onChange }: { id: string; items: readonly unknown[] } & Pick<Props, "onChange">) {
  return (
    <TextArea
      id={id}
      value={items.map(String).join("\n")}
      rows={Math.min(8, Math.max(2, items.length))}
      onChange={(text) => {
        const found = itemsOf(text, items);
        if (found !== null) onChange(found);
      }}
    />
  );
}
