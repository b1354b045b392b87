/** What is said: to screen readers by an aria-live region, and a refusal also to everyone for a few seconds. */

import { create } from "zustand";

export type Kind = "said" | "refused";

interface Announcements {
  readonly text: string;
  readonly kind: Kind;
  readonly count: number;
}

export const useAnnouncements = create<Announcements>(() => ({ text: "", kind: "said", count: 0 }));

export function announce(text: string, kind: Kind = "said"): void {
  useAnnouncements.setState((state) => ({ text, kind, count: state.count + 1 }));
}
