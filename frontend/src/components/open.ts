/** How the palette and the help are opened, without their weight: they are loaded when they are first wanted. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export const paletteOpen = signal(false);
export const helpOpen = signal(false);

export function openPalette(): void {
  helpOpen.value = false;
  paletteOpen.value = true;
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
