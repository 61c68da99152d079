/** What the whole page knows: the board, the user's ways of seeing it. */

import { computed, effect, type Signal, signal } from "@preact/signals";

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

/** One of these words. */
export function remembered<T extends string>(name: string, words: readonly T[], first: T): Signal<T> {
  return kept(name, first, (text) => words.find((word) => word === text) ?? null, String);
}

/** Any value that JSON can hold, if `good` says that what was found is one. */
export function stored<T>(name: string, first: T, good: (value: unknown) => value is T): Signal<T> {
  const read = (text: string) => {
    try {
      const value: unknown = JSON.parse(text);
      return good(value) ? value : null;
    } catch {
      return null;
    }
  };
  return kept(name, first, read, JSON.stringify);
}

function kept<T>(name: string, first: T, read: (text: string) => T | null, write: (value: T) => string): Signal<T> {
  const key = `oxcart.${name}`;
  let text: string | null = null;
  try {
    text = window.localStorage.getItem(key);
  } catch {
    // A browser that keeps nothing: then each visit starts anew.
  }
  const found = signal<T>((text === null ? null : read(text)) ?? first);
  effect(() => {
    const now = write(found.value);
    if (now === text) return;
    text = now;
    try {
      window.localStorage.setItem(key, now);
    } catch {
      // As above.
    }
  });
  // What another tab keeps is not to be overwritten with what was kept before.
  window.addEventListener("storage", (event) => {
    if (event.key !== key || event.newValue === null) return;
    text = event.newValue;
    found.value = read(text) ?? first;
  });
  return found;
}

/** Queues that stand first in the overview. */
export const favourites = stored<string[]>("favourites", [], (value): value is string[] => Array.isArray(value) && value.every((one) => typeof one === "string"));

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

/** The job last looked at: coming back to its list, it is where the reader goes on. */
export const lastJob = signal<string | null>(null);

/** Ids of bulk tasks that were begun here and are shown in the tray. */
export const tasks = signal<string[]>([]);

export const queueNames = computed(() => board.value?.queues ?? []);
