/** The address of the page: which page it is, and all that changes what is seen. */

import { batch, signal } from "@preact/signals";

import { config } from "./config";

export interface Route {
  /** The path below the base, such as `/queues/email`. */
  path: string;
  query: URLSearchParams;
}

export type Changes = Record<string, string | number | null | undefined>;

function read(): Route {
  const { pathname, search } = window.location;
  const path = pathname.startsWith(config.base) ? pathname.slice(config.base.length) : pathname;
  return { path: path === "/" ? "/" : path.replace(/\/+$/, "") || "/", query: new URLSearchParams(search) };
}

export const route = signal<Route>(read());

const scrolls = new Map<string, number>();

/** The address for a link. */
export function href(to: string): string {
  return config.base + to;
}

/** Go to another address; `replace` leaves no entry to come back to, `back` goes to where that page was left. */
export function go(to: string, options: { replace?: boolean; back?: boolean } = {}): void {
  const before = route.value.path;
  scrolls.set(here(), window.scrollY);
  window.history[options.replace ? "replaceState" : "pushState"](null, "", href(to));
  batch(() => {
    route.value = read();
  });
  if (before !== route.value.path) arrived(options.back ?? false);
}

/** Change some words of the present query; null takes one away. */
export function setQuery(changes: Changes, options: { replace?: boolean } = {}): void {
  go(withQuery(route.value.path, changes, route.value.query), options);
}

/** A path with these words as its query, on top of others. */
export function withQuery(path: string, changes: Changes, onto?: URLSearchParams): string {
  const query = new URLSearchParams(onto);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** A part of an address as it was before it was written there; null if it can't be read. */
export function unquoted(text: string | undefined): string | null {
  try {
    return text ? decodeURIComponent(text) : null;
  } catch {
    return null;
  }
}

export function toQueue(queue: string, query: Changes = {}): string {
  return withQuery(`/queues/${encodeURIComponent(queue)}`, query);
}

export function toJob(queue: string, id: string, query: Changes = {}): string {
  return withQuery(`/queues/${encodeURIComponent(queue)}/job`, { id, ...query });
}

export function toFlow(queue: string, id: string): string {
  return withQuery(`/queues/${encodeURIComponent(queue)}/flow`, { id });
}

/** Two jobs side by side. Names of queues are written so that the first slash ends them: ids may have slashes. */
export function toCompare(a: { queue: string; id: string }, b: { queue: string; id: string } | null): string {
  const one = (job: { queue: string; id: string }) => `${encodeURIComponent(job.queue)}/${job.id}`;
  return withQuery("/compare", { a: one(a), b: b && one(b) });
}

/** Follow the links of the page without loading it anew; and the browser's own back and forward. */
export function startRouter(): void {
  window.history.scrollRestoration = "manual";
  window.addEventListener("popstate", () => {
    const before = route.value.path;
    route.value = read();
    if (before !== route.value.path) arrived(true);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a[data-go]");
    if (!link) return;
    event.preventDefault();
    go(link.getAttribute("data-go") ?? "/", { replace: link.hasAttribute("data-replace"), back: link.hasAttribute("data-up") });
  });
}

function here(): string {
  return window.location.pathname + window.location.search;
}

/** After another page has come: to its top (or where it was left), and its heading is what a reader hears next; back in
 * a list, the row that was left. */
function arrived(back: boolean): void {
  const known = back ? scrolls.get(here()) : undefined;
  requestAnimationFrame(() => {
    window.scrollTo(0, known ?? 0);
    const left = back ? document.querySelector<HTMLElement>("[data-left]") : null;
    if (left) left.focus({ preventScroll: known !== undefined });
    else document.getElementById("main")?.focus({ preventScroll: true });
  });
}
