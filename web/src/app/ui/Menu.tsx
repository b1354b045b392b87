/** A menu that opens at a button: arrows, Home, End, Enter, Escape; a click elsewhere closes it. */

import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { Icon, type IconName } from "../icons";

export interface MenuEntry {
  label: string;
  icon?: IconName;
  shortcut?: string;
  danger?: boolean;
  disabled?: boolean;
  /** A line above it. */
  apart?: boolean;
  run: () => void;
}

interface Props {
  label: string;
  entries: readonly MenuEntry[];
  children: ReactNode;
  className?: string;
}

const MARGIN = 8;

export function MenuButton({ label, entries, children, className = "btn quiet icon" }: Props) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <button
        type="button"
        ref={button}
        className={className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {children}
      </button>
      {open && <MenuList label={label} entries={entries} anchor={button.current} close={close} />}
    </>
  );
}

interface ListProps {
  label: string;
  entries: readonly MenuEntry[];
  anchor: HTMLElement | null;
  close: () => void;
}

function MenuList({ label, entries, anchor, close }: ListProps) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const menu = list.current;
    if (menu === null || anchor === null) return;
    const from = anchor.getBoundingClientRect();
    const below = from.bottom + 6 + menu.offsetHeight <= window.innerHeight - MARGIN;
    menu.style.top = `${below ? from.bottom + 6 : Math.max(MARGIN, from.top - 6 - menu.offsetHeight)}px`;
    const left = Math.min(from.left, window.innerWidth - MARGIN - menu.offsetWidth);
    menu.style.left = `${Math.max(MARGIN, left)}px`;
    menu.querySelector<HTMLElement>("[role=menuitem]:not(:disabled)")?.focus();
  }, [anchor]);
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!list.current?.contains(target) && !anchor?.contains(target)) close();
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  });
  const keys = (event: KeyboardEvent) => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const go = (to: number) => items[(to + items.length) % items.length]?.focus();
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(-1);
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return createPortal(
    <div className="menu" role="menu" aria-label={label} ref={list} onKeyDown={keys} tabIndex={-1}>
      {entries.map((entry) => (
        <div key={entry.label} role="none">
          {entry.apart && <hr />}
          <button
            type="button"
            role="menuitem"
            className={entry.danger ? "menu-item danger" : "menu-item"}
            disabled={entry.disabled}
            onClick={() => {
              close();
              entry.run();
            }}
          >
            {entry.icon && <Icon name={entry.icon} />}
            <span>{entry.label}</span>
            {entry.shortcut && <kbd>{entry.shortcut}</kbd>}
          </button>
        </div>
      ))}
    </div>,
    document.querySelector("main") ?? document.body,
  );
}
