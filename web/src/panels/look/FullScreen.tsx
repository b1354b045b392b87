/** A window over everything, for looking: the browser's own modal dialog, with tools above and facts beside. */

import { type KeyboardEvent, type ReactNode, useLayoutEffect, useRef } from "react";
import { Icon } from "../../app/icons";

interface Props {
  label: string;
  onClose: () => void;
  tools?: ReactNode;
  side?: ReactNode;
  children: ReactNode;
  onKeyDown?: (event: KeyboardEvent) => void;
}

export function FullScreen({ label, onClose, tools, side, children, onKeyDown }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      className="full"
      aria-label={label}
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header className="full-bar">
        <h2>{label}</h2>
        <div className="full-tools">{tools}</div>
        <button type="button" className="btn quiet icon" aria-label="Close" title="Close (Escape)" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="full-body">
        <div className="full-main">{children}</div>
        {side && (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
          <aside className="full-side" aria-label="Details" tabIndex={0}>
            {side}
          </aside>
        )}
      </div>
    </dialog>
  );
}
