/** Recipes in and out of tabs: templates, saved recipes, dropped files, downloads. Opening never runs anything. */

import * as client from "../api/client";
import { onWorkflow } from "../api/connect";
import { ApiError, inWords } from "../api/http";
import type { Document, Draft } from "../api/types";
import { activeTab, isDirty, type Tab, tabOf, useTabs } from "../commands/store";
import { asRecipe, EMPTY, parseRecipe, recipeText } from "../model/recipe";
import { draftOf } from "./drafts";
import { fileName, NAME } from "./format";
import { set, showPage, showTab } from "./shell";
import { toast } from "./toasts";

const open = (tab: Parameters<ReturnType<typeof useTabs.getState>["openTab"]>[0]): string => {
  const id = useTabs.getState().openTab(tab);
  showTab(id);
  return id;
};

export const newTab = (): string => open({ recipe: EMPTY, title: "Untitled" });

/** Open a shipped workflow as a recipe without a name: saving it asks for one. */
export async function openTemplate(name: string): Promise<string | null> {
  try {
    const { text } = await client.template(name);
    return open({ recipe: parseRecipe(text) });
  } catch (error) {
    toast(`The template could not be opened. ${inWords(error)}`, "bad");
    return null;
  }
}

/** Open a saved recipe; if a tab has it already, that tab. */
export async function openWorkflow(name: string): Promise<void> {
  const there = useTabs.getState().tabs.find((tab) => tab.name === name);
  if (there) return showTab(there.id);
  try {
    const { text, etag } = await client.workflow(name);
    open({ recipe: parseRecipe(text), name, etag, saved: true });
  } catch (error) {
    toast(`“${name}” could not be opened. ${inWords(error)}`, "bad");
  }
}

/** Write a tab's recipe under a name. `etag`: the version that it replaces; "": there must be none. */
async function write(tab: Tab, name: string, etag: string): Promise<boolean> {
  try {
    const saved = await client.saveWorkflow(name, tab.recipe as unknown as Document, etag);
    useTabs.getState().markSaved(tab.id, { name, etag: saved.etag });
    if (tabOf(tab.id)?.recipe !== tab.recipe) useTabs.getState().look(tab.id, {});
    toast(`Saved as “${name}”`, "good");
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 412) set({ conflict: { tab: tab.id, name } });
    else toast(`Not saved. ${inWords(error)}`, "bad");
    return false;
  }
}

/** Save: under the tab's name, or ask for one. */
export async function save(id = activeTab()?.id): Promise<void> {
  const tab = id === undefined ? undefined : tabOf(id);
  if (tab === undefined) return;
  if (tab.name === "") set({ saveAs: tab.id });
  else if (isDirty(tab) || tab.etag === "") await write(tab, tab.name, tab.etag);
  else toast(`“${tab.name}” is saved as it is`);
}

export async function saveAs(id: string, name: string): Promise<boolean> {
  const tab = tabOf(id);
  return tab !== undefined && NAME.test(name) && write(tab, name, "");
}

/** Replace what somebody else has saved under the name. */
export async function overwrite(id: string, name: string): Promise<void> {
  const tab = tabOf(id);
  if (tab === undefined) return;
  try {
    const { etag } = await client.workflow(name);
    await write(tab, name, etag);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) await write(tab, name, "");
    else toast(`Not saved. ${inWords(error)}`, "bad");
  }
}

/** The other version of a conflict, in a tab of its own. */
export async function openOther(name: string): Promise<void> {
  try {
    const { text, etag } = await client.workflow(name);
    open({ recipe: parseRecipe(text), name, etag, saved: true });
  } catch (error) {
    toast(`“${name}” could not be opened. ${inWords(error)}`, "bad");
  }
}

export function download(id = activeTab()?.id): void {
  const tab = id === undefined ? undefined : tabOf(id);
  if (tab === undefined) return;
  const link = document.createElement("a");
  const address = URL.createObjectURL(new Blob([recipeText(tab.recipe)], { type: "application/json" }));
  link.href = address;
  link.download = `${fileName(tab.name || tab.title)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const CONVERTED = "What importing changed";
const DRIFTED = "Not as it was when it was made";
const KINDS = { recipe: "recipe", picture: "picture", comfyui: "ComfyUI workflow", crate: "crate" };

/** Open dropped files, each in a tab of its own, and say what importing changed. Problems show on their nodes. Nothing runs. */
export async function importFiles(files: Iterable<File>): Promise<void> {
  const lines: string[] = [];
  let converted = false;
  for (const file of files) {
    try {
      const found = await client.importFile(file);
      const recipe = asRecipe(found.workflow);
      open({ recipe, title: recipe.title || file.name.replace(/\.[A-Za-z0-9]+$/, "") });
      if (found.report.length === 0) continue;
      lines.push(`${file.name}, a ${KINDS[found.kind]}:`, ...found.report);
      converted ||= found.kind === "comfyui";
    } catch (error) {
      refused(file, error);
    }
  }
  if (lines.length > 0) set({ report: { title: converted ? CONVERTED : DRIFTED, lines } });
}

/** A picture without a workflow is still a picture: it can be stored for image nodes. */
function refused(file: File, error: unknown): void {
  const picture = /^image\/(png|jpeg|webp)$/.test(file.type) && error instanceof ApiError && error.status < 500;
  const action =
    picture && error.status > 0 ? { label: "Store as upload", run: () => void storeUpload(file) } : undefined;
  toast(`${file.name} could not be opened. ${inWords(error)}`, "bad", action);
}

async function storeUpload(file: File): Promise<void> {
  try {
    const upload = await client.upload(file, file.name);
    toast(`Stored as the upload “${upload.name}”`, "good");
  } catch (error) {
    toast(`${file.name} was not stored. ${inWords(error)}`, "bad");
  }
}

/** Let the user choose files to open. */
export function chooseFiles(): void {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.accept = ".json,.png,.jpg,.jpeg,.webp,.zip,application/json,image/png,image/jpeg,image/webp";
  input.onchange = () => void importFiles(input.files ?? []);
  input.click();
}

const bin: Draft[] = [];
const KEPT_CLOSED = 20;

/** Close a tab. What it held can be brought back. */
export function closeTab(id: string): void {
  const tab = tabOf(id);
  if (tab === undefined) return;
  const lost = isDirty(tab);
  bin.push(draftOf(tab, undefined));
  bin.splice(0, Math.max(0, bin.length - KEPT_CLOSED));
  useTabs.getState().closeTab(id);
  if (useTabs.getState().tabs.length === 0) showPage("home");
  if (lost) toast(`Closed “${tab.title}”`, "info", { label: "Reopen", run: reopenClosed });
}

export function reopenClosed(): void {
  const draft = bin.pop();
  if (draft === undefined) return;
  const { title, name, etag, saved } = draft;
  open({ recipe: asRecipe(draft.workflow), title, name, etag, saved });
}

/** Say when a recipe that is open here was written elsewhere. */
export function watchFiles(): () => void {
  const same = (a: string, b: string) => client.quoted(a) === client.quoted(b);
  return onWorkflow((name, etag) => {
    setTimeout(() => {
      const tab = useTabs.getState().tabs.find((open) => open.name === name);
      if (tab === undefined || tab.etag === "" || same(tab.etag, etag)) return;
      if (etag === "") toast(`“${name}” was removed elsewhere. Your tab still has it.`);
      else toast(`“${name}” was saved elsewhere.`, "info", { label: "Open it", run: () => void openOther(name) });
    }, 800);
  });
}
