/** What is said to screen readers, and refusals to everyone for a few seconds. */

import { useEffect, useState } from "react";
import { useAnnouncements } from "../commands/announce";

const SHOWN_MS = 5000;

export function Announcer() {
  const { text, kind, count } = useAnnouncements();
  const [since] = useState(count);
  const [over, setOver] = useState(count);
  useEffect(() => {
    const timer = setTimeout(() => setOver(count), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [count]);
  const fresh = count > since;
  return (
    <>
      <div className="visually-hidden" role="status" aria-live="polite" aria-label="Canvas">
        {fresh && kind === "said" && <span key={count}>{text}</span>}
      </div>
      <div
        className="nf-refusal"
        aria-live="assertive"
        data-shown={(fresh && kind === "refused" && over !== count) || undefined}
      >
        {fresh && kind === "refused" && over !== count && <p key={count}>{text}</p>}
      </div>
    </>
  );
}
