/** A dialog to search a list and pick from it by keys or pointer. The field keeps the focus. */

import { type ReactNode, useId, useRef, useState } from "react";
import { Dialog } from "../app/ui/Dialog";

interface Props<T> {
  title: string;
  /** The field's name, and what it asks. */
  search: string;
  placeholder: string;
  /** The list's name. */
  list: string;
  /** What fits a query, best first. */
  find: (query: string) => readonly T[];
  idOf: (item: T) => string;
  children: (item: T) => ReactNode;
  /** What is said if nothing fits. */
  none: (query: string) => string;
  onPick: (item: T | undefined) => void;
  onClose: () => void;
}

export function SearchDialog<T>(props: Props<T>) {
  const { find, idOf, onPick } = props;
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const name = useId();
  const list = useRef<HTMLDivElement>(null);
  const found = find(query);
  const chosen = Math.min(at, found.length - 1);
  const go = (to: number) => {
    setAt(to);
    requestAnimationFrame(() =>
      list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" }),
    );
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <input
        autoFocus
        className="field"
        role="combobox"
        aria-expanded="true"
        aria-controls={name}
        aria-activedescendant={found[chosen] ? `${name}-${chosen}` : undefined}
        aria-label={props.search}
        placeholder={props.placeholder}
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") go(Math.min(found.length - 1, chosen + 1));
          else if (event.key === "ArrowUp") go(Math.max(0, chosen - 1));
          else if (event.key === "Enter") onPick(found[chosen]);
          else return;
          event.preventDefault();
        }}
      />
      <div role="listbox" id={name} ref={list} aria-label={props.list} className="nf-commands">
        {found.map((item, i) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus, by aria-activedescendant
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are the field's
          <div
            key={idOf(item)}
            id={`${name}-${i}`}
            role="option"
            aria-selected={i === chosen}
            onPointerMove={() => setAt(i)}
            onClick={() => onPick(item)}
          >
            {props.children(item)}
          </div>
        ))}
        {found.length === 0 && <p className="nf-options-empty">{props.none(query)}</p>}
      </div>
    </Dialog>
  );
}
