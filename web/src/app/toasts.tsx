/** Short notices at the foot of the page, and what screen readers are told where the graph does not say it itself. */

import { useEffect } from "react";
import { create } from "zustand";
import { useAnnouncements } from "../commands/announce";
import { useTabs } from "../commands/store";
import { Icon } from "./icons";
import { useShell, viewOf } from "./shell";

export interface Toast {
  id: number;
  text: string;
  kind: "info" | "good" | "bad";
  action?: { label: string; run: () => void };
}

const useNotices = create<{ toasts: readonly Toast[] }>(() => ({ toasts: [] }));
const SECONDS = { info: 6, good: 5, bad: 12 };
let ids = 0;

export const dismiss = (id: number): void =>
  useNotices.setState((now) => ({ toasts: now.toasts.filter((toast) => toast.id !== id) }));

/** Show a notice; it goes after a while. At most four stand at a time. */
export function toast(text: string, kind: Toast["kind"] = "info", action?: Toast["action"]): void {
  const id = ++ids;
  useNotices.setState((now) => ({
    toasts: [...now.toasts.filter((other) => other.text !== text).slice(-3), { id, text, kind, action }],
  }));
  setTimeout(() => dismiss(id), SECONDS[kind] * 1000);
}

export function Toasts() {
  const toasts = useNotices((now) => now.toasts);
  const said = useAnnouncements();
  const heard = useShell((shell) => shell.page === "tab" && viewOf(shell.views, useTabs.getState().active) === "graph");
  useEffect(() => {
    if (!heard && said.kind === "refused" && said.count > 0) toast(said.text, "bad");
  }, [said, heard]);
  return (
    <>
      <div className="visually-hidden" role="status" aria-live="polite" aria-label="Run states">
        {!heard && <span key={said.count}>{said.text}</span>}
      </div>
      <section className="toasts" aria-label="Notices" aria-live="polite">
        {toasts.map((item) => (
          <div key={item.id} className="toast" data-kind={item.kind}>
            <Icon name={item.kind === "bad" ? "problems" : item.kind === "good" ? "check" : "info"} />
            <span>{item.text}</span>
            {item.action && (
              <button
                type="button"
                className="btn small"
                onClick={() => {
                  dismiss(item.id);
                  item.action?.run();
                }}
              >
                {item.action.label}
              </button>
            )}
            <button
              type="button"
              className="btn quiet small icon"
              aria-label="Dismiss"
              onClick={() => dismiss(item.id)}
            >
              <Icon name="close" size={12} />
            </button>
          </div>
        ))}
      </section>
    </>
  );
}
