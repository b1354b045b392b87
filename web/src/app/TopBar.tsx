/** The bar above everything: start page, gallery, the open tabs, and the queue's controls. */

import { type KeyboardEvent, useEffect, useRef } from "react";
import { isDirty, type Tab, useTabs } from "../commands/store";
import { closeTab, newTab } from "./files";
import { Icon, Mark } from "./icons";
import { QueueControls } from "./QueueControls";
import { set, showPage, showTab, useShell } from "./shell";
import { useTitle } from "./shortcut";

export function TopBar() {
  const gallery = useTitle("Gallery", "view.gallery");
  const page = useShell((shell) => shell.page);
  return (
    <header className="top-bar">
      <nav className="top-nav" aria-label="Pages">
        <button
          type="button"
          className="mark"
          aria-label="Start page"
          aria-current={page === "home" ? "page" : undefined}
          title="Start page"
          onClick={() => showPage("home")}
        >
          <Mark />
        </button>
        <button
          type="button"
          className="btn quiet icon"
          aria-label="Gallery"
          title={gallery}
          aria-current={page === "gallery" ? "page" : undefined}
          onClick={() => showPage("gallery")}
        >
          <Icon name="gallery" />
        </button>
      </nav>
      <TabStrip />
      <button
        type="button"
        className="btn quiet icon top-settings"
        aria-label="Settings"
        title="Settings"
        onClick={() => set({ settings: true })}
      >
        <Icon name="settings" />
      </button>
      <QueueControls />
    </header>
  );
}

function TabStrip() {
  const tabs = useTabs((state) => state.tabs);
  const active = useTabs((state) => state.active);
  const page = useShell((shell) => shell.page);
  const list = useRef<HTMLDivElement>(null);
  const create = useTitle("New workflow", "file.new");
  const shown = page === "tab" ? active : "";
  useEffect(() => {
    list.current?.querySelector(`[data-tab="${shown}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [shown]);
  const keys = (event: KeyboardEvent) => {
    const at = tabs.findIndex((tab) => tab.id === active);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined ? undefined : tabs[to];
    if (event.key === "Delete" && active) closeTab(active);
    else if (next) {
      showTab(next.id);
      list.current?.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="tab-strip">
      <div className="tabs" role="tablist" aria-label="Open workflows" ref={list} onKeyDown={keys}>
        {tabs.map((tab) => (
          <TabButton key={tab.id} tab={tab} selected={tab.id === shown} first={tab.id === (shown || tabs[0]?.id)} />
        ))}
      </div>
      <button
        type="button"
        className="btn quiet icon"
        aria-label="New workflow"
        title={create}
        onClick={() => newTab()}
      >
        <Icon name="plus" />
      </button>
    </div>
  );
}

function TabButton({ tab, selected, first }: { tab: Tab; selected: boolean; first: boolean }) {
  const dirty = isDirty(tab);
  return (
    <button
      type="button"
      role="tab"
      className="tab"
      aria-selected={selected}
      aria-controls={selected ? "tab-panel" : undefined}
      tabIndex={first ? 0 : -1}
      data-tab={tab.id}
      data-dirty={dirty}
      title={tab.name ? `${tab.title} (${tab.name})` : tab.title}
      onClick={(event) => {
        if ((event.target as Element).closest(".tab-close")) closeTab(tab.id);
        else showTab(tab.id);
      }}
      onAuxClick={(event) => {
        if (event.button === 1) closeTab(tab.id);
      }}
    >
      <span className="tab-title">{tab.title}</span>
      {dirty && <span className="visually-hidden"> (not saved)</span>}
      <span className="tab-close" aria-hidden="true" title="Close (Delete)">
        <Icon name="close" size={12} />
      </span>
    </button>
  );
}
