/**
 * A modal dialog: the browser's own, so focus stays inside, Escape closes it and focus goes back afterwards. Focus
 * begins at what has `data-first`.
 */

import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { Icon } from "../icons";

const FIRST = ":is(.dialog-body, .dialog-foot) :is(input, textarea, select, button):not(:disabled)";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  foot?: ReactNode;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, foot, wide }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) {
      dialog.showModal(); // focuses its first button: Close
      dialog.querySelector<HTMLElement>(FIRST)?.focus();
    }
    return () => dialog?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, by `onCancel`
    <dialog
      ref={ref}
      className={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" className="btn quiet small icon" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div className="dialog-body">{children}</div>
      {foot && <div className="dialog-foot">{foot}</div>}
    </dialog>
  );
}
