/**
 * Undo: a list of earlier documents. They share structure, so a step costs two references.
 *
 * One user action is one step: a drag between `hold` and `release`, a burst of typing under one key, a load. A change
 * that changed nothing is no step. Pure values; the store keeps one of these for each tab.
 */

import { sameValue } from "../model/json";
import type { Recipe } from "../model/recipe";

export interface Step {
  readonly recipe: Recipe;
  readonly label: string;
}

export interface History {
  readonly past: readonly Step[];
  readonly future: readonly Step[];
  /** What the last step was made under, and when: the same key soon after is the same step. */
  readonly key: string;
  readonly at: number;
  /** The document before a gesture that is going on. */
  readonly held: Step | null;
}

export interface State {
  readonly recipe: Recipe;
  readonly history: History;
}

export const LIMIT = 200;
export const BURST = 800;
export const FRESH: History = { past: [], future: [], key: "", at: 0, held: null };

/** A document after an edit. During a gesture nothing is recorded until it is released. */
export function edited(state: State, after: Recipe, label: string, key = "", now = Date.now()): State {
  const { recipe: before, history } = state;
  if (after === before) return state;
  if (history.held) return { recipe: after, history };
  const last = history.past.at(-1);
  if (key !== "" && key === history.key && now - history.at < BURST && last) {
    if (!sameValue(last.recipe, after)) return { recipe: after, history: { ...history, future: [], at: now } };
    return { recipe: last.recipe, history: { ...history, past: history.past.slice(0, -1), future: [], key: "" } };
  }
  if (sameValue(before, after)) return state;
  return { recipe: after, history: recorded(history, { recipe: before, label }, key, now) };
}

function recorded(history: History, step: Step, key: string, at: number): History {
  return { past: [...history.past, step].slice(-LIMIT), future: [], key, at, held: null };
}

/** A gesture begins: what follows until `released` is one step. */
export function held(state: State, label: string): State {
  if (state.history.held) return state;
  return { ...state, history: { ...state.history, held: { recipe: state.recipe, label } } };
}

/** A gesture ends; it is a step only if it changed the document. `cancel`: the document is what it was before. */
export function released(state: State, cancel = false): State {
  const { recipe, history } = state;
  if (history.held === null) return state;
  const before = history.held;
  if (cancel || sameValue(before.recipe, recipe)) return { recipe: before.recipe, history: { ...history, held: null } };
  return { recipe, history: recorded(history, before, "", 0) };
}

/** One step back. Ignored while a gesture is held; ends the burst of typing. */
export function undone(state: State): State {
  const { recipe, history } = state;
  const last = history.past.at(-1);
  if (history.held || last === undefined) return state;
  const future = [{ recipe, label: last.label }, ...history.future];
  return { recipe: last.recipe, history: { ...history, past: history.past.slice(0, -1), future, key: "" } };
}

/** One step forward again. */
export function redone(state: State): State {
  const { recipe, history } = state;
  const [next, ...rest] = history.future;
  if (history.held || next === undefined) return state;
  const past = [...history.past, { recipe, label: next.label }];
  return { recipe: next.recipe, history: { ...history, past, future: rest, key: "" } };
}
