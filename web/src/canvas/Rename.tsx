/** A name that is being typed: Enter or leaving takes it, Escape does not. */

import { useState } from "react";
import { currentView, setUi } from "./ui";

export function Rename({ label, value, onDone }: { label: string; value: string; onDone: (text: string) => void }) {
  const [text, setText] = useState(value);
  const done = (take: boolean) => {
    setUi({ renaming: "" });
    if (take && text !== value) onDone(text);
    currentView()?.focus();
  };
  return (
    <input
      // biome-ignore lint/a11y/noAutofocus: renaming was asked for; focus goes back to the canvas
      autoFocus
      className="nf-rename nodrag"
      aria-label={label}
      title={label}
      value={text}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setText(event.target.value)}
      onBlur={() => done(true)}
      onDoubleClick={(event) => event.stopPropagation()}
      onKeyDown={(event) => {
        if (event.key === "Enter") event.currentTarget.blur();
        else if (event.key === "Escape") {
          setText(value);
          setUi({ renaming: "" });
          currentView()?.focus();
        } else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    />
  );
}
