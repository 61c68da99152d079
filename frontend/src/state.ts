/** What the whole page knows: the board, the user's ways of seeing it. */

import { computed, effect, signal } from "@preact/signals";

import { ApiError, get } from "./api";
import type { Board } from "./shapes";

export const board = signal<Board | null>(null);
export const boardError = signal<ApiError | null>(null);

/** Whether the user is allowed to do this. What is not allowed is not shown. */
export function may(action: string): boolean {
  return board.value?.can.includes(action) ?? false;
}

export async function loadBoard(): Promise<void> {
  try {
    board.value = await get<Board>("/board");
    boardError.value = null;
  } catch (error) {
    boardError.value = error instanceof ApiError ? error : new ApiError(0, "broken", String(error));
  }
}

// ----------------------------------------------------------------------------------- kept in this browser

function remembered<T extends string>(name: string, words: readonly T[], first: T) {
  const key = `oxcart.${name}`;
  let found: string | null = null;
  try {
    found = window.localStorage.getItem(key);
  } catch {
    // A browser that keeps nothing: then each visit starts anew.
  }
  const kept = signal<T>(words.find((word) => word === found) ?? first);
  effect(() => {
    try {
      window.localStorage.setItem(key, kept.value);
    } catch {
      // As above.
    }
  });
  return kept;
}

export type Theme = "system" | "light" | "dark";
export type Zone = "local" | "utc";

export const THEMES: readonly Theme[] = ["system", "light", "dark"];
export const theme = remembered<Theme>("theme", THEMES, "system");
export const zone = remembered<Zone>("zone", ["local", "utc"], "local");

effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme.value);
});

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
}

// ------------------------------------------------------------------- the list that a job was opened from

/** The ids of the list last seen, so that its jobs can be walked through. */
export const lastList = signal<{ queue: string; ids: string[]; back: string } | null>(null);

/** Ids of bulk tasks that were begun here and are shown in the tray. */
export const tasks = signal<string[]>([]);

export const queueNames = computed(() => board.value?.queues ?? []);
