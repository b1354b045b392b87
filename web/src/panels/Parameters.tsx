/** The parameters that a run used, as a list of names and values. */

import type { Job } from "../api/types";
import { titleOf, valueText } from "../app/format";
import { useJobInputs } from "./inputs";

export function Parameters({ job, id }: { job: Job | undefined; id: number }) {
  const inputs = useJobInputs(job, id, true);
  if (inputs === null) return <p className="hint">…</p>;
  const rows = Object.entries(inputs);
  if (rows.length === 0) return <p className="hint">The recipe declares no inputs.</p>;
  return (
    <dl className="parameters">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{titleOf(name)}</dt>
          <dd>{valueText(value) || "–"}</dd>
        </div>
      ))}
    </dl>
  );
}
