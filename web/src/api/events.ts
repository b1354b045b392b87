/**
 * The websocket: numbered events as text, previews as binary. After a lost connection it asks for what it missed
 * (`after`, `epoch`); if the server no longer has that, the first frame is a snapshot.
 */

import { parsed } from "./http";
import type { ServerEvent } from "./types";

export interface Preview {
  job: number;
  node: string;
  /** The node within it that made the picture, or `node` again. */
  path: string;
  image: Blob;
}

export type Connection = "connecting" | "open" | "lost";

export interface StreamHandlers {
  event(event: ServerEvent): void;
  preview(preview: Preview): void;
  connection(state: Connection): void;
}

export interface StreamOptions {
  url: string;
  /** For tests. */
  open?: (url: string) => WebSocket;
  delay?: (attempt: number) => number;
}

/** Half a second, doubled up to eight, each spread so that many windows do not come back at once. */
export const backoff = (attempt: number): number => Math.min(8000, 250 * 2 ** attempt) * (0.75 + Math.random() / 2);

/** Read a binary frame: 1 byte type (1: image), 4 bytes big-endian header length, JSON header, bytes. */
export function readPreview(frame: ArrayBuffer): Preview | null {
  const view = new DataView(frame);
  if (frame.byteLength < 5 || view.getUint8(0) !== 1) return null;
  const length = view.getUint32(1);
  if (5 + length > frame.byteLength) return null;
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 5, length))) as Record<string, unknown>;
  const { job, node, path = node, media_type: type } = header;
  if (typeof job !== "number" || typeof node !== "string" || typeof path !== "string" || typeof type !== "string")
    return null;
  if (!/^image\/(png|jpeg|webp)$/.test(type)) return null;
  return { job, node, path, image: new Blob([new Uint8Array(frame, 5 + length)], { type }) };
}

/** Keeps one websocket open until `close`. */
export class EventStream {
  seq = 0;
  epoch = "";
  private socket: WebSocket | null = null;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    private readonly handlers: StreamHandlers,
    private readonly options: StreamOptions,
  ) {}

  open(): void {
    if (this.closed || this.socket !== null) return;
    clearTimeout(this.timer);
    this.handlers.connection(this.attempt === 0 ? "connecting" : "lost");
    const where = new URL(this.options.url);
    if (this.epoch !== "") {
      where.searchParams.set("after", String(this.seq));
      where.searchParams.set("epoch", this.epoch);
    }
    const socket = this.options.open?.(where.href) ?? new WebSocket(where.href);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.receive(message.data);
    socket.onclose = () => this.lost(socket);
    this.socket = socket;
  }

  /** Try now instead of when the timer says: the user asked, or the machine woke up. */
  retry(): void {
    if (this.socket === null) this.open();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  private receive(data: string | ArrayBuffer): void {
    if (typeof data !== "string") {
      const preview = readPreview(data);
      if (preview !== null) this.handlers.preview(preview);
      return;
    }
    const event = parsed<ServerEvent>(data);
    if (event.kind === "snapshot" || event.kind === "resumed") {
      this.attempt = 0;
      this.epoch = event.epoch;
      if (event.kind === "snapshot") this.seq = event.seq;
      this.handlers.connection("open");
    } else {
      if (event.seq <= this.seq) return;
      this.seq = event.seq;
    }
    this.handlers.event(event);
  }

  private lost(socket: WebSocket): void {
    if (this.socket !== socket) return;
    this.socket = null;
    if (this.closed) return;
    this.handlers.connection("lost");
    const wait = (this.options.delay ?? backoff)(this.attempt);
    this.attempt += 1;
    this.timer = setTimeout(() => this.open(), wait);
  }
}
