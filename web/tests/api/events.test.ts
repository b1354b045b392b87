import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EventStream, type Preview, readPreview } from "../../src/api/events";
import type { ServerEvent } from "../../src/api/types";

class Socket {
  static all: Socket[] = [];
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  binaryType = "";
  constructor(readonly url: string) {
    Socket.all.push(this);
  }
  say(event: object) {
    this.onmessage?.({ data: JSON.stringify(event) });
  }
  close() {
    this.onclose?.();
  }
}

function stream() {
  const events: ServerEvent[] = [];
  const states: string[] = [];
  const previews: Preview[] = [];
  const made = new EventStream(
    {
      event: (event) => events.push(event),
      preview: (preview) => previews.push(preview),
      connection: (state) => states.push(state),
    },
    {
      url: "ws://127.0.0.1/api/events",
      open: (url) => new Socket(url) as unknown as WebSocket,
      delay: () => 100,
    },
  );
  made.open();
  return { made, events, states, previews };
}

const last = () => Socket.all.at(-1) as Socket;

beforeEach(() => {
  vi.useFakeTimers();
  Socket.all = [];
});
afterEach(() => vi.useRealTimers());

test("after a lost connection it asks for what it missed, and hears each event once", () => {
  const { made, events, states } = stream();
  expect(last().url).toBe("ws://127.0.0.1/api/events");
  last().say({ kind: "snapshot", seq: 4, epoch: "e1", queue: {}, queued: [], nodes: {} });
  last().say({ kind: "queue", seq: 5, paused: false, queued: 1 });
  last().close();
  expect(states).toEqual(["connecting", "open", "lost"]);
  vi.advanceTimersByTime(150);
  expect(last().url).toBe("ws://127.0.0.1/api/events?after=5&epoch=e1");
  last().say({ kind: "resumed", seq: 6, epoch: "e1" });
  last().say({ kind: "queue", seq: 5, paused: false, queued: 1 });
  last().say({ kind: "queue", seq: 6, paused: true, queued: 1 });
  expect(events.map((event) => [event.kind, event.seq])).toEqual([
    ["snapshot", 4],
    ["queue", 5],
    ["resumed", 6],
    ["queue", 6],
  ]);
  made.close();
});

test("a snapshot of a new server starts the count anew", () => {
  const { made, events } = stream();
  last().say({ kind: "snapshot", seq: 900, epoch: "e1", queue: {}, queued: [], nodes: {} });
  last().close();
  vi.advanceTimersByTime(150);
  last().say({ kind: "snapshot", seq: 2, epoch: "e2", queue: {}, queued: [], nodes: {} });
  last().say({ kind: "queue", seq: 3, paused: false, queued: 0 });
  expect(events.at(-1)).toMatchObject({ kind: "queue", seq: 3 });
  made.close();
});

test("closing on purpose does not come back", () => {
  const { made } = stream();
  made.close();
  vi.advanceTimersByTime(60_000);
  expect(Socket.all).toHaveLength(1);
});

function frame(header: object, bytes: number[], type = 1): ArrayBuffer {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const made = new Uint8Array(5 + text.length + bytes.length);
  made[0] = type;
  new DataView(made.buffer).setUint32(1, text.length);
  made.set(text, 5);
  made.set(bytes, 5 + text.length);
  return made.buffer;
}

test("previews are read from binary frames, and only pictures", async () => {
  const found = readPreview(frame({ job: 3, node: "sample", media_type: "image/jpeg" }, [1, 2, 3]));
  expect(found).toMatchObject({ job: 3, node: "sample" });
  expect(found?.image.type).toBe("image/jpeg");
  expect(new Uint8Array((await found?.image.arrayBuffer()) as ArrayBuffer)).toEqual(new Uint8Array([1, 2, 3]));
  expect(readPreview(frame({ job: 3, node: "a", media_type: "text/html" }, [60]))).toBeNull();
  expect(readPreview(frame({ job: 3, node: "a", media_type: "image/svg+xml" }, [60]))).toBeNull();
  expect(readPreview(frame({}, [], 9))).toBeNull();
  expect(readPreview(new ArrayBuffer(2))).toBeNull();
});
