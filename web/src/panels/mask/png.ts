/**
 * PNG with straight alpha. A browser's canvas multiplies colours by alpha and so forgets what is under a transparent
 * pixel; but a mask is kept as transparency *over* a picture that is still needed. So the file is written here, without
 * filters, and files written here are read back exactly.
 */

export interface Pixels {
  width: number;
  height: number;
  /** RGBA, 8 bits each, not multiplied. */
  data: Uint8ClampedArray<ArrayBuffer>;
}

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
/** Names the writer, and so that rows have no filters. */
const MARK = "Software\0nodeflow canvas, mask painter";

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = (TABLE[(c ^ byte) & 255] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

async function through(bytes: Uint8Array<ArrayBuffer>, stream: CompressionStream | DecompressionStream) {
  const out = new Blob([bytes]).stream().pipeThrough(stream as ReadableWritablePair<Uint8Array, BufferSource>);
  return new Uint8Array(await new Response(out as ReadableStream).arrayBuffer());
}

function chunk(type: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(12 + body.length);
  const view = new DataView(made.buffer);
  view.setUint32(0, body.length);
  made.set(new TextEncoder().encode(type), 4);
  made.set(body, 8);
  view.setUint32(8 + body.length, crc32(made.subarray(4, 8 + body.length)));
  return made;
}

export async function writePng({ width, height, data }: Pixels): Promise<Blob> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 6, 0, 0, 0], 8);
  const row = width * 4;
  const raw = new Uint8Array(height * (row + 1));
  for (let y = 0; y < height; y++) raw.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  return new Blob(
    [
      new Uint8Array(SIGNATURE),
      chunk("IHDR", header),
      chunk("tEXt", new TextEncoder().encode(MARK)),
      chunk("IDAT", await through(raw, new CompressionStream("deflate"))),
      chunk("IEND", new Uint8Array(0)),
    ],
    { type: "image/png" },
  );
}

/** Read a PNG that `writePng` made; null for any other file. */
export async function readOwnPng(file: ArrayBuffer): Promise<Pixels | null> {
  const bytes = new Uint8Array(file);
  const view = new DataView(file);
  if (bytes.length < 57 || SIGNATURE.some((byte, at) => bytes[at] !== byte)) return null;
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const marked = bytes.subarray(33 + 8, 33 + 8 + MARK.length);
  if (new TextDecoder().decode(marked) !== MARK) return null;
  const at = 33 + 12 + MARK.length;
  if (new TextDecoder().decode(bytes.subarray(at + 4, at + 8)) !== "IDAT") return null;
  const body = bytes.slice(at + 8, at + 8 + view.getUint32(at));
  const raw = await through(body, new DecompressionStream("deflate"));
  const row = width * 4;
  if (raw.length !== height * (row + 1)) return null;
  const data = new Uint8ClampedArray(height * row);
  for (let y = 0; y < height; y++) data.set(raw.subarray(y * (row + 1) + 1, (y + 1) * (row + 1)), y * row);
  return { width, height, data };
}
