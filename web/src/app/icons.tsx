/** Icons: 16 × 16, drawn with one stroke width. Decoration only: the control that holds one has the name. */

const PATHS = {
  play: "M5 3.4v9.2c0 .5.5.8 1 .5l7-4.6a.6.6 0 0 0 0-1L6 2.9c-.5-.3-1 0-1 .5Z",
  stop: "M4.5 3.5h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  clear: "M2.5 4.5h7M2.5 8h5M2.5 11.5h3M10 8.5l4 4M14 8.5l-4 4",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.2 3.2L13 4.8",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  home: "M2.5 7.5 8 3l5.5 4.5M4 6.5V13h8V6.5",
  gallery: "M2.5 3.5h11v9h-11zM2.5 10.5l3-3 3 3 2-2 3 3M10.5 6h.01",
  queue: "M2.5 4h11M2.5 8h11M2.5 12h6",
  history: "M2.7 6.2A5.6 5.6 0 1 1 2.4 9M2.5 3v3.3h3.3M8 5v3.2l2.2 1.4",
  problems: "M8 2.2 14.4 13H1.6ZM8 6.3v3.2M8 11.4v.1",
  settings: "M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3",
  graph: "M2.5 3.5h4v3h-4zM9.5 9.5h4v3h-4zM6.5 5h1a2 2 0 0 1 2 2v2a2 2 0 0 0 0 2",
  form: "M2.5 3.5h11M2.5 6.5h11v3h-11zM2.5 12.5h6",
  left: "M10 3.5 5.5 8l4.5 4.5",
  right: "M6 3.5 10.5 8 6 12.5",
  down: "M3.5 6 8 10.5 12.5 6",
  up: "M3.5 10 8 5.5l4.5 4.5",
  top: "M3 2.5h10M8 13.5v-8M4.5 8.5 8 5l3.5 3.5",
  download: "M8 2.5v8M4.5 7.5 8 11l3.5-3.5M2.5 13.5h11",
  upload: "M8 11V3M4.5 6 8 2.5 11.5 6M2.5 13.5h11",
  open: "M6.5 3.5h-4v9h9v-4M9 2.5h4.5V7M13.2 2.8 7.5 8.5",
  compare: "M8 2v12M2.5 4h3v8h-3zM10.5 4h3v8h-3z",
  wipe: "M2.5 3.5h11v9h-11zM8 3.5v9M10 8h1.5M4.5 8H6",
  brush: "M13.5 2.5 7 9M7 9c-2-.6-3.6.4-3.8 2.2-.1.9-.5 1.5-1.2 1.8 2.5.9 5.6.3 6.2-1.7.2-.9-.3-1.8-1.2-2.3Z",
  eraser: "M6 13h7.5M2.8 10.2 9 4a1.4 1.4 0 0 1 2 0l2 2a1.4 1.4 0 0 1 0 2l-5 5H5.6l-2.8-1.8a.7.7 0 0 1 0-1Z",
  undo: "M5.5 3 2.5 6l3 3M3 6h6a4 4 0 0 1 0 8H6",
  redo: "M10.5 3l3 3-3 3M13 6H7a4 4 0 0 0 0 8h3",
  retry: "M13.3 6.2A5.6 5.6 0 1 0 13.6 9M13.5 3v3.3h-3.3",
  info: "M8 7.3v4M8 4.8v.1M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.7 10.7 14 14",
  save: "M3 2.5h8l2.5 2.5v8.5h-11v-11ZM5 2.5v3.5h5V2.5M5 13.5V9.5h6v4",
  file: "M4 2.5h5l3.5 3.5v7.5H4zM9 2.5V6h3.5",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  sun: "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8 1.8v1M8 13.2v1M1.8 8h1M13.2 8h1M3.6 3.6l.7.7M11.7 11.7l.7.7M12.4 3.6l-.7.7M4.3 11.7l-.7.7",
  moon: "M13 9.3A5.5 5.5 0 0 1 6.7 3 5.5 5.5 0 1 0 13 9.3Z",
  screen: "M2.5 3h11v8h-11zM6 13.5h4",
  offline:
    "M2 2l12 12M4.5 8.5a5 5 0 0 1 2-1.2M9.5 7.2a5 5 0 0 1 2 1.3M2.5 6a8 8 0 0 1 2.2-1.4M8 3.8A8 8 0 0 1 13.5 6M8 12v.1",
  grip: "M6 4v.01M10 4v.01M6 8v.01M10 8v.01M6 12v.01M10 12v.01",
  trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.7v4.2M9.3 6.7v4.2",
  star: "M8 2l1.7 4 4.3.3-3.3 2.8 1 4.2L8 11l-3.7 2.3 1-4.2L2 6.3 6.3 6Z",
  copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
  panel: "M2.5 3h11v10h-11zM10 3v10",
  keyboard: "M1.5 4h13v8h-13zM4 6.5v.01M6.5 6.5v.01M9 6.5v.01M11.5 6.5v.01M5 9.5h6",
} as const;

export type IconName = keyof typeof PATHS;
const FILLED: ReadonlySet<IconName> = new Set(["play", "stop"]);
const DOTS: ReadonlySet<IconName> = new Set(["more", "grip"]);

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  const filled = FILLED.has(name);
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill={filled ? "currentColor" : "none"}
      stroke={filled ? "none" : "currentColor"}
      strokeWidth={DOTS.has(name) ? 2 : 1.4}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark. */
export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M10 10.5c8 0 4 11 12 11" fill="none" stroke="#fff" strokeWidth="2.5" strokeLinecap="round" />
      <circle cx="9.5" cy="10.5" r="3.2" fill="#fff" />
      <circle cx="22.5" cy="21.5" r="3.2" fill="#fff" />
    </svg>
  );
}
