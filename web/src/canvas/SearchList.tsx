/** A field and the list of what fits it; picked from by keys or pointer. The field keeps the focus. */

import { type ReactNode, useEffect, useId, useRef, useState } from "react";

interface Props<T> {
  /** The field's name, and what it asks. */
  search: string;
  placeholder: string;
  /** The list's name. */
  list: string;
  classes: { field: string; list: string };
  query: string;
  setQuery: (query: string) => void;
  /** What fits the query, best first. */
  found: readonly T[];
  /** What is chosen at first. */
  first?: number;
  idOf: (item: T) => string;
  /** More of an option's attributes. */
  attributes?: (item: T) => Record<`data-${string}`, string | boolean | undefined>;
  children: (item: T, chosen: boolean) => ReactNode;
  /** What is said if nothing fits. */
  none: string;
  onPick: (item: T | undefined) => void;
  /** A key that is not the list's; true if it was taken. */
  onKey?: (key: string) => boolean;
}

export function SearchList<T>(props: Props<T>) {
  const { found, idOf, onPick } = props;
  const [at, setAt] = useState(props.first ?? 0);
  const list = useRef<HTMLDivElement>(null);
  const name = useId();
  const chosen = Math.min(at, found.length - 1);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was chosen is brought into view, whatever chose it
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen, found]);
  return (
    <>
      <input
        // biome-ignore lint/a11y/noAutofocus: the list was asked for; focus goes back when it closes
        autoFocus
        className={props.classes.field}
        role="combobox"
        aria-expanded="true"
        aria-controls={name}
        aria-activedescendant={found[chosen] ? `${name}-${chosen}` : undefined}
        aria-label={props.search}
        placeholder={props.placeholder}
        autoComplete="off"
        spellCheck={false}
        value={props.query}
        onChange={(event) => {
          props.setQuery(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt(Math.min(found.length - 1, chosen + 1));
          else if (event.key === "ArrowUp") setAt(Math.max(0, chosen - 1));
          else if (event.key === "Enter") onPick(found[chosen]);
          else if (!props.onKey?.(event.key)) return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <div role="listbox" id={name} ref={list} aria-label={props.list} className={props.classes.list}>
        {found.map((item, i) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus, by aria-activedescendant
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are the field's
          <div
            key={idOf(item)}
            id={`${name}-${i}`}
            role="option"
            aria-selected={i === chosen}
            {...props.attributes?.(item)}
            onPointerMove={() => setAt(i)}
            onClick={() => onPick(item)}
          >
            {props.children(item, i === chosen)}
          </div>
        ))}
        {found.length === 0 && <p className="nf-options-empty">{props.none}</p>}
      </div>
    </>
  );
}
