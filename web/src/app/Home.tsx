/** The first page: one click gives a picture; all templates; what was saved; files to open. */

import { type FormEvent, useEffect, useState } from "react";
import * as client from "../api/client";
import { onWorkflow } from "../api/connect";
import { address, inWords } from "../api/http";
import { useQueue } from "../api/queue";
import type { WorkflowInfo } from "../api/types";
import { useTabs } from "../commands/store";
import { setValue } from "../model/edits";
import { endOf, own, type Recipe } from "../model/recipe";
import { chooseFiles, newTab, openTemplate, openWorkflow } from "./files";
import { ago } from "./format";
import { Icon } from "./icons";
import { queueTab } from "./runner";
import { showView } from "./shell";

const FIRST = "text-to-image";
const FIRST_PROMPT = "a large red star in the centre on a blue background";

/** Open a template in the form view and run it. */
async function draw(name: string, change: (recipe: Recipe) => Recipe = (recipe) => recipe): Promise<void> {
  const id = await openTemplate(name);
  if (id === null) return;
  showView(id, "form");
  useTabs.getState().edit(id, "Prompt", change);
  await queueTab(id);
}

const withPrompt = (prompt: string) => (recipe: Recipe) => {
  const target = own(recipe.inputs, "prompt")?.to[0];
  return target === undefined ? recipe : setValue(recipe, endOf(target), prompt);
};

export function Home() {
  const [templates, setTemplates] = useState<readonly WorkflowInfo[] | null>(null);
  const [saved, setSaved] = useState<readonly WorkflowInfo[]>([]);
  const [error, setError] = useState("");
  useEffect(() => {
    let here = true;
    const readSaved = () =>
      void client.workflows().then(
        (found) => here && setSaved(found),
        () => {},
      );
    client.templates().then(
      (found) => here && setTemplates(ordered(found)),
      (problem: unknown) => here && setError(inWords(problem)),
    );
    readSaved();
    const stops = [
      onWorkflow(readSaved),
      // what was written while the events did not come
      useQueue.subscribe((now, before) => {
        if (now.connection === "open" && before.connection !== "open") readSaved();
      }),
    ];
    return () => {
      here = false;
      for (const stop of stops) stop();
    };
  }, []);
  const first = templates?.find((template) => template.name === FIRST);
  return (
    <section className="page home" aria-label="Start page">
      <div className="home-hero">
        <h1>What should the picture show?</h1>
        <p>One click draws it with the built-in model. Everything behind it is a graph that you can open and change.</p>
        <FirstPicture disabled={first === undefined} />
        <div className="home-actions">
          <button type="button" className="btn quiet" onClick={() => newTab()}>
            <Icon name="plus" /> Empty workflow
          </button>
          <button type="button" className="btn quiet" onClick={chooseFiles}>
            <Icon name="open" /> Open a file…
          </button>
          <span className="hint">or drop a recipe, a ComfyUI workflow, or a picture made by one, anywhere.</span>
        </div>
      </div>
      {error && (
        <p className="hint" role="alert">
          The templates could not be read. {error}
        </p>
      )}
      {saved.length > 0 && (
        <>
          <h2>Your workflows</h2>
          <ul className="cards small" aria-label="Your workflows">
            {[...saved]
              .sort((a, b) => b.modified - a.modified)
              .map((item) => (
                <li key={item.name}>
                  <button type="button" className="card-row" onClick={() => void openWorkflow(item.name)}>
                    <Icon name="graph" />
                    <span>
                      <strong>{item.title || item.name}</strong>
                      <span className="hint">
                        {item.title && item.title !== item.name ? `${item.name} · ` : ""}
                        {ago(item.modified)}
                      </span>
                    </span>
                  </button>
                </li>
              ))}
          </ul>
        </>
      )}
      <h2>Templates</h2>
      <ul className="cards" aria-label="Templates">
        {templates?.map((template) => (
          <TemplateCard key={template.name} template={template} />
        ))}
        {templates === null && !error && SKELETONS.map((key) => <li key={key} className="card skeleton" />)}
      </ul>
    </section>
  );
}

const SKELETONS = ["a", "b", "c", "d", "e", "f"];

/** The simplest first; those that need what is not shipped last. */
function ordered(found: readonly WorkflowInfo[]): WorkflowInfo[] {
  const rank = (item: WorkflowInfo) => (item.name === FIRST ? 0 : item.preview ? 1 : 2);
  return [...found].sort((a, b) => rank(a) - rank(b) || a.title.localeCompare(b.title));
}

function FirstPicture({ disabled }: { disabled: boolean }) {
  const [prompt, setPrompt] = useState(FIRST_PROMPT);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await draw(FIRST, withPrompt(prompt));
    setBusy(false);
  };
  return (
    <form className="home-prompt" onSubmit={submit}>
      <input
        aria-label="Prompt"
        value={prompt}
        onChange={(event) => setPrompt(event.target.value)}
        onFocus={(event) => event.target.select()}
        placeholder={FIRST_PROMPT}
      />
      <button type="submit" className="btn primary large" disabled={disabled || busy}>
        <Icon name="play" size={14} /> Draw
      </button>
    </form>
  );
}

function TemplateCard({ template }: { template: WorkflowInfo }) {
  const title = template.title || template.name;
  return (
    <li className="card">
      <button
        type="button"
        className="card-open"
        aria-label={`Open ${title}`}
        onClick={() => void openTemplate(template.name)}
      >
        {template.preview ? (
          <img className="pixelated" src={address(template.preview)} alt="" loading="lazy" draggable={false} />
        ) : (
          <Icon name="graph" size={28} />
        )}
      </button>
      <div className="card-words">
        <strong>{title}</strong>
        <span>{template.description}</span>
      </div>
      <button
        type="button"
        className="btn small card-run"
        aria-label={`Run ${title}`}
        title="Open as a form and run"
        onClick={() => void draw(template.name)}
      >
        <Icon name="play" size={12} /> Run
      </button>
    </li>
  );
}
