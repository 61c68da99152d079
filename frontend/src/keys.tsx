/** Keys that work on every page, and what they open. */

import type { JSX } from "preact";

import { refreshAll } from "./api";
import { closePalette, helpOpen, openHelp, openPalette, paletteOpen } from "./components/open";
import { toast, undoLatest } from "./components/Toast";
import { go, route } from "./router";
import { may, nextTheme } from "./state";
import { lazy, nothing } from "./ui";

const Palette = lazy(
  () =>
    import("./components/Palette").then(
      (module) => module.Palette,
      (error: unknown) => {
        // Else it would go on taking every key.
        if (paletteOpen.value) toast("This part could not be loaded. Was the server updated? Load the page anew.", { kind: "bad" });
        closePalette();
        throw error;
      },
    ),
  nothing,
);
const Help = lazy(() => import("./components/Help").then((module) => module.Help), nothing);

/** The palette and the help: loaded when they are first opened. */
export function Overlays(): JSX.Element {
  return (
    <>
      {paletteOpen.value ? <Palette /> : null}
      {helpOpen.value ? <Help /> : null}
    </>
  );
}

const PLACES: Record<string, [to: string, needs?: string]> = {
  o: ["/"],
  e: ["/failures"],
  s: ["/schedulers"],
  w: ["/workers"],
  m: ["/metrics"],
  l: ["/alerts"],
  r: ["/redis", "redis"],
  a: ["/audit", "audit"],
};

/** Whether the user is typing, or a dialog has the keys. */
export function busyKeys(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return (
    event.defaultPrevented ||
    event.metaKey ||
    event.ctrlKey ||
    event.altKey ||
    Boolean(target?.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog, [role=menu], [role=dialog]")) ||
    document.querySelector("dialog[open]") !== null
  );
}

/** Listen; answers how to stop. */
export function keys(): () => void {
  let going = 0;
  const onKey = (event: KeyboardEvent) => {
    if ((event.metaKey || event.ctrlKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (paletteOpen.value) closePalette();
      else openPalette();
      return;
    }
    if (busyKeys(event)) return;
    if (Date.now() - going < 1200) {
      going = 0;
      const place = PLACES[event.key];
      if (place && (!place[1] || may(place[1]))) {
        event.preventDefault();
        go(place[0]);
      }
      return;
    }
    const run: Record<string, () => void> = {
      g: () => (going = Date.now()),
      "?": openHelp,
      t: nextTheme,
      r: refreshAll,
      z: undoLatest,
      "/": () => {
        const box = document.querySelector<HTMLInputElement>("[data-search]");
        if (box) box.focus();
        else openPalette();
      },
      u: () => {
        const up = document.querySelector<HTMLElement>("[data-up]")?.getAttribute("data-go");
        if (up && route.value.path !== "/") go(up, { back: true });
      },
    };
    const found = run[event.key];
    if (!found) return;
    event.preventDefault();
    found();
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
