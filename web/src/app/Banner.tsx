/** Says that the server cannot be reached, or no longer knows this browser. */

import { useEffect, useState } from "react";
import { reconnect } from "../api/connect";
import { useQueue } from "../api/queue";
import { Icon } from "./icons";
import { useShell } from "./shell";

/** A blink of the connection is not worth a word. */
const PATIENCE_MS = 1200;

export function Banner() {
  const lost = useQueue((queue) => queue.connection === "lost");
  const signedOut = useShell((shell) => shell.signedOut);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!lost) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [lost]);
  if (signedOut) {
    return (
      <div className="banner" role="alert">
        <Icon name="offline" />
        <span>
          The server no longer knows this browser. Run <code>nodeflow open</code> for a new link; your tabs are kept.
        </span>
      </div>
    );
  }
  if (!shown) return null;
  return (
    <div className="banner" role="alert">
      <Icon name="offline" />
      <span>Connection lost. What runs goes on at the server, and your changes are kept in this browser.</span>
      <button type="button" className="btn small" onClick={reconnect}>
        Try now
      </button>
    </div>
  );
}
