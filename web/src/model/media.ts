/** What kind of thing a result is, by its media type. */

import type { ArtefactInfo } from "../api/types";

type Typed = Pick<ArtefactInfo, "media_type">;
export type MediaKind = "picture" | "text" | "sound" | "file";

export const isPicture = (item: Typed): boolean => /^image\/(png|jpeg|webp|gif)$/.test(item.media_type);
export const isText = (item: Typed): boolean => /^(text\/|application\/json)/.test(item.media_type);
export const isSound = (item: Typed): boolean => item.media_type.startsWith("audio/");

export const mediaKind = (item: Typed): MediaKind =>
  isPicture(item) ? "picture" : isText(item) ? "text" : isSound(item) ? "sound" : "file";
