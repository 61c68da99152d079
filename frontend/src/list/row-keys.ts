/** j and k go through the rows, x selects one, Enter (a link's own key) opens it. Answers how to stop. */

import { busyKeys } from "../keys";

export function rowKeys(body: { current: HTMLTableSectionElement | null }): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (busyKeys(event)) return;
    const links = [...(body.current?.querySelectorAll<HTMLElement>("a.jobs-link") ?? [])];
    const at = links.findIndex((link) => link.closest("tr")?.contains(document.activeElement));
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      links[Math.min(links.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))]?.focus();
    } else if (event.key === "x" && at >= 0) {
      event.preventDefault();
      links[at]?.closest("tr")?.querySelector<HTMLInputElement>("input[type=checkbox]")?.click();
    }
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
