/** The parameters that a job used: what it was submitted with, or what its recipe writes at its declared inputs. */

import { useEffect, useState } from "react";
import * as client from "../api/client";
import { jobCame } from "../api/queue";
import type { Job } from "../api/types";
import { asRecipe, endOf, own, type Recipe } from "../model/recipe";

export type Inputs = Readonly<Record<string, unknown>>;

/** The values written at a recipe's declared inputs, in its order; those that are left to their defaults are not there. */
export function declaredValues(recipe: Recipe): Inputs {
  const found: [string, unknown][] = [];
  for (const [name, input] of Object.entries(recipe.inputs ?? {})) {
    for (const link of input.to) {
      const end = endOf(link);
      const value = own(own(recipe.nodes, end.node)?.values, end.port);
      if (value === undefined) continue;
      found.push([name, value]);
      break;
    }
  }
  return Object.fromEntries(found);
}

const known = new Map<number, Promise<Inputs>>();

function fetched(id: number): Promise<Inputs> {
  let inputs = known.get(id);
  if (inputs === undefined) {
    inputs = client.job(id).then((detail) => {
      jobCame(detail.job, "answer");
      return { ...declaredValues(asRecipe(detail.workflow)), ...detail.job.inputs };
    });
    inputs.catch(() => known.delete(id));
    known.set(id, inputs);
  }
  return inputs;
}

/**
 * The parameters of a job; null while they are being read. In lists what it was submitted with will do; `all` also
 * reads what its recipe says where nothing else was submitted.
 */
export function useJobInputs(job: Job | undefined, id: number, all = false): Inputs | null {
  const given = !all && job && Object.keys(job.inputs).length > 0 ? job.inputs : null;
  const [found, setFound] = useState<{ id: number; inputs: Inputs } | null>(null);
  useEffect(() => {
    if (given !== null) return;
    let here = true;
    fetched(id).then(
      (inputs) => here && setFound({ id, inputs }),
      () => here && setFound({ id, inputs: {} }),
    );
    return () => {
      here = false;
    };
  }, [id, given]);
  return given ?? (found?.id === id ? found.inputs : null);
}
