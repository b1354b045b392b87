/** Reading a picture for the mask painter, and storing what was painted. */

import { upload } from "../../api/client";
import type { Upload } from "../../api/types";
import { MASK_RGB, withMask } from "./marks";
import { type Pixels, readOwnPng, writePng } from "./png";

/** The picture's pixels with straight alpha where that can be known. */
export async function readPicture(address: string, signal: AbortSignal): Promise<Pixels> {
  const response = await fetch(address, { signal, credentials: "same-origin" });
  if (!response.ok) throw new Error(`The picture could not be read (${response.status}).`);
  const blob = await response.blob();
  const own = await readOwnPng(await blob.arrayBuffer());
  if (own !== null) return own;
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser cannot draw pictures.");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { width, height, data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { width, height, data: new Uint8ClampedArray(data) };
}

/** What is transparent in a picture, as a mask's canvas holds it: opaque where masked. */
export function maskOf({ width, height, data }: Pixels): ImageData {
  const mask = new ImageData(width, height);
  for (let at = 0; at < data.length; at += 4) {
    mask.data.set([...MASK_RGB, 255 - (data[at + 3] as number)], at);
  }
  return mask;
}

/** "cat.png" → "cat-mask.png"; a mask painted again keeps its name. */
export function maskName(name: string): string {
  const stem = name.replace(/\.[A-Za-z0-9]+$/, "").replace(/-mask(-\d+)?$/, "");
  return `${stem || "picture"}-mask.png`;
}

export async function storeMask(picture: Pixels, mask: ImageData, name: string): Promise<Upload> {
  const opaque = new Uint8ClampedArray(picture.data);
  return upload(await writePng({ ...picture, data: withMask(opaque, mask.data) }), maskName(name));
}
