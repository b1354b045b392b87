/** The end of a list that has more: reads the next page when it comes into view, or when pressed. */

import { useEffect, useRef } from "react";

interface Props {
  shown: boolean;
  loading: boolean;
  error: string;
  more: () => Promise<void>;
}

export function More({ shown, loading, error, more }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = ref.current;
    if (element === null || loading || error) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) void more();
      },
      { rootMargin: "400px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [loading, error, more]);
  if (!shown && !error) return null;
  return (
    <div className="more" ref={ref}>
      {error && <p className="hint">{error}</p>}
      <button type="button" className="btn small" disabled={loading} onClick={() => void more()}>
        {error ? "Try again" : loading ? "Loading…" : "More"}
      </button>
    </div>
  );
}
