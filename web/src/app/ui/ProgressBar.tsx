/** How far something is: a share of 1, as a bar. */

import { perCent } from "../../api/progress";

export function ProgressBar({ label, share }: { label: string; share: number }) {
  return (
    <div
      className="bar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={perCent(share)}
    >
      <span style={{ transform: `scaleX(${share})` }} />
    </div>
  );
}
