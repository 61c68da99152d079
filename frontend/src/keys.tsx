/** Keys that work on every page, and what they open. */

import type { JSX } from "preact";

import { refreshAll } from "./api";
import { helpOpen, openHelp, openPalette, paletteOpen } from "./components/open";
import { go, route } from "./router";
import { may, nextTheme } from "./state";
import { lazy } from "./ui";

const Palette = lazy(() => import("./components/Palette").then((module) => module.Palette));
const Help = lazy(() => import("./components/Help").then((module) => module.Help));

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
    Boolean(target?.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog, [role=menu]")) ||
    document.querySelector("dialog[open]") !== null
  );
}

/** Listen; answers how to stop. */
export function keys(): () => void {
  let going = 0;
  const onKey = (event: KeyboardEvent) => {
    if ((event.metaKey || event.ctrlKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (paletteOpen.value) paletteOpen.value = false;
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
      "/": () => {
        const box = document.querySelector<HTMLInputElement>("[data-search]");
        if (box) box.focus();
        else openPalette();
      },
      u: () => {
        const up = document.querySelector<HTMLElement>("[data-up]")?.getAttribute("data-go");
        if (up && route.value.path !== "/") go(up);
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
