/** Everything that is wrong with the open recipe, and what failed in its last run; a click goes to the node. */

import type { ProblemItem } from "../api/types";
import { Icon } from "./icons";
import { placeText, spotOf } from "./place";
import { useFailures, useProblems } from "./problems";
import { reveal, revealFailure } from "./reveal";

export function ProblemsPanel({ tab }: { tab: string }) {
  const problems = useProblems(tab);
  const failures = useFailures(tab);
  if (tab === "" || problems.length + failures.length === 0) {
    return (
      <div className="empty">
        <Icon name="check" size={28} />
        <strong>No problems</strong>
        <span>The recipe is checked as you edit: missing inputs and wires that do not fit show up here.</span>
      </div>
    );
  }
  const errors = problems.filter((problem) => problem.severity === "error");
  const warnings = problems.filter((problem) => problem.severity === "warning");
  return (
    <>
      {failures.length > 0 && (
        <section className="problems" aria-label="Failed in the last run">
          <h3>Failed in the last run</h3>
          <ul>
            {failures.map((failure) => (
              <li key={failure.node}>
                <button
                  type="button"
                  className="problem"
                  data-severity="error"
                  onClick={() => revealFailure(tab, failure)}
                >
                  <Icon name="problems" />
                  <span>
                    <strong>{failure.node.replaceAll("/", " › ")}</strong>
                    <span className="problem-text">{failure.message || "This node failed."}</span>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <Problems title={counted(errors.length, "problem")} problems={errors} tab={tab} />
      <Problems title={counted(warnings.length, "warning")} problems={warnings} tab={tab} />
    </>
  );
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

function Problems({ title, problems, tab }: { title: string; problems: readonly ProblemItem[]; tab: string }) {
  if (problems.length === 0) return null;
  return (
    <section className="problems" aria-label={title}>
      <h3>{title}</h3>
      <ul>
        {problems.map((problem) => (
          <li key={`${problem.code} ${problem.place} ${problem.message}`}>
            <Problem problem={problem} tab={tab} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Problem({ problem, tab }: { problem: ProblemItem; tab: string }) {
  const spot = spotOf(problem.place);
  return (
    <button
      type="button"
      className="problem"
      data-severity={problem.severity}
      data-place={problem.place}
      disabled={spot === null}
      onClick={() => spot && reveal(tab, spot)}
    >
      <Icon name="problems" />
      <span>
        {problem.place && <strong>{placeText(problem.place)}</strong>}
        <span className="problem-text">{problem.message}</span>
        {problem.expected && (
          <span className="hint">
            Expected {problem.expected}
            {problem.got && `, got ${problem.got}`}
          </span>
        )}
        {problem.hint && <span className="hint">{problem.hint}</span>}
      </span>
      {problem.code && <code className="hint">{problem.code}</code>}
    </button>
  );
}
