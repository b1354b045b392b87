/** Work that waits for the next animation frame: however many events come, the page draws at most once for each. */

const HIDDEN_MS = 200;

/** A function that asks for `run` at the next frame; a hidden page has no frames, so there a timer stands in. */
export function perFrame(run: () => void): { (): void; now(): void } {
  let asked = false;
  const go = () => {
    if (!asked) return;
    asked = false;
    run();
  };
  const ask = () => {
    if (asked) return;
    asked = true;
    if (typeof requestAnimationFrame === "undefined") {
      setTimeout(go, 16);
      return;
    }
    requestAnimationFrame(go);
    if (typeof document !== "undefined" && document.hidden) setTimeout(go, HIDDEN_MS);
  };
  return Object.assign(ask, { now: go });
}
