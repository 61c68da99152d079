/** How the palette and the help are opened, without their weight: they are loaded when they are first wanted. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export const paletteOpen = signal(false);
export const helpOpen = signal(false);

export function openPalette(): void {
  helpOpen.value = false;
  if (paletteOpen.value) return;
  paletteOpen.value = true;
  ahead = "";
  document.addEventListener("keydown", typeAhead, true);
}

export function closePalette(): void {
  takeAhead();
  paletteOpen.value = false;
}

/** What was typed for the palette before it was there; Enter is a line feed at its end. */
let ahead = "";

function typeAhead(event: KeyboardEvent): void {
  if (event.metaKey || event.ctrlKey || event.altKey || ahead.endsWith("\n")) return;
  if (event.key === "Escape") closePalette();
  else if (event.key === "Enter") ahead += "\n";
  else if (event.key === "Backspace") ahead = ahead.slice(0, -1);
  else if (Array.from(event.key).length === 1) ahead += event.key;
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** The palette has come: it takes what was typed, and hears for itself from now on. */
export function takeAhead(): string {
  document.removeEventListener("keydown", typeAhead, true);
  return ahead;
}

export function openHelp(): void {
  paletteOpen.value = false;
  helpOpen.value = true;
}

/** Something that can be done on the page that is shown. */
export interface Command {
  label: string;
  hint?: string;
  run: () => void;
}

/** What the present page offers to the palette. */
export const commands = signal<readonly Command[]>([]);

/** Offer these while the page is shown. */
export function useCommands(list: readonly Command[]): void {
  useEffect(() => {
    commands.value = [...commands.value, ...list];
    return () => {
      commands.value = commands.value.filter((command) => !list.includes(command));
    };
  }, [list.map((command) => command.label).join("\n")]);
}
