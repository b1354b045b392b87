/** A dialog to search a list and pick from it. */

import { type ReactNode, useState } from "react";
import { Dialog } from "../app/ui/Dialog";
import { SearchList } from "./SearchList";

interface Props<T> {
  title: string;
  /** As in SearchList. */
  search: string;
  placeholder: string;
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

const CLASSES = { field: "field", list: "nf-commands" };

export function SearchDialog<T>(props: Props<T>) {
  const [query, setQuery] = useState("");
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <SearchList
        search={props.search}
        placeholder={props.placeholder}
        list={props.list}
        classes={CLASSES}
        query={query}
        setQuery={setQuery}
        found={props.find(query)}
        idOf={props.idOf}
        none={props.none(query)}
        onPick={props.onPick}
      >
        {props.children}
      </SearchList>
    </Dialog>
  );
}
