/**
 * A recipe as a form: only its declared inputs and outputs, in its order. The same document as the graph and the same
 * runs; for whoever wants pictures and not wires.
 */

import type { FormField as Declared } from "../../api/types";
import { Icon } from "../../app/icons";
import { useChecked, useProblems } from "../../app/problems";
import { showView } from "../../app/shell";
import { useTabs } from "../../commands/store";
import { setValue } from "../../model/edits";
import { type End, endOf, own, type Recipe, type Value } from "../../model/recipe";
import { Field } from "./Field";
import { FormResults } from "./FormResults";

export interface FieldOf {
  name: string;
  title: string;
  description: string;
  declared: Declared | undefined;
  end: End | null;
  value: unknown;
}

/** The declared inputs in the recipe's order, with the values that it has now. */
export function fieldsOf(recipe: Recipe, declared: readonly Declared[]): FieldOf[] {
  return Object.entries(recipe.inputs ?? {}).map(([name, input]) => {
    const found = declared.find((field) => field.name === name);
    const target = input.to[0];
    const end = target === undefined ? null : endOf(target);
    const written = end && own(own(recipe.nodes, end.node)?.values, end.port);
    return {
      name,
      title: input.title || name.replaceAll("_", " "),
      description: input.description || found?.description || "",
      declared: found,
      end,
      value: written,
    };
  });
}

export function FormView({ tab }: { tab: string }) {
  const recipe = useTabs((tabs) => tabs.tabs.find((one) => one.id === tab)?.recipe);
  const checked = useChecked(tab);
  const problems = useProblems(tab);
  if (recipe === undefined) return null;
  const fields = fieldsOf(recipe, checked?.inputs ?? []);
  const change = (field: FieldOf, value: Value | undefined) => {
    const { end } = field;
    if (end === null) return;
    useTabs.getState().edit(tab, field.title, (now) => setValue(now, end, value), { key: `form ${field.name}` });
  };
  const said = (field: FieldOf) =>
    problems.find(
      (problem) => field.end && problem.place.startsWith(`nodes.${field.end.node}.values.${field.end.port}`),
    )?.message ?? "";
  return (
    <section className="form-view" aria-label="Form">
      <section className="form-side" aria-label="Inputs">
        <header>
          <h1>{recipe.title || "Untitled"}</h1>
          {recipe.description && <p>{recipe.description}</p>}
        </header>
        {fields.length === 0 ? (
          <div className="empty">
            <Icon name="form" size={28} />
            <strong>This recipe declares no inputs</strong>
            <span>In the graph, declare the widgets that this form should show.</span>
            <button type="button" className="btn small" onClick={() => showView(tab, "graph")}>
              Open the graph
            </button>
          </div>
        ) : (
          <form className="form-fields" onSubmit={(event) => event.preventDefault()}>
            {fields.map((field) => (
              <Field
                key={field.name}
                tab={tab}
                field={field}
                problem={said(field)}
                onChange={(value) => change(field, value)}
              />
            ))}
          </form>
        )}
      </section>
      <FormResults tab={tab} outputs={Object.keys(recipe.outputs ?? {})} />
    </section>
  );
}
