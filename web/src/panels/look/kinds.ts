/** What kind of thing a result is, by its media type. */

import type { ArtefactInfo } from "../../api/types";

export const isPicture = (item: Pick<ArtefactInfo, "media_type">): boolean =>
  /^image\/(png|jpeg|webp|gif)$/.test(item.media_type);
export const isText = (item: Pick<ArtefactInfo, "media_type">): boolean =>
  /^(text\/|application\/json)/.test(item.media_type);
export const isSound = (item: Pick<ArtefactInfo, "media_type">): boolean => item.media_type.startsWith("audio/");
