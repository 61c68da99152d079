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

/** Go to another address; `replace` leaves no entry to come back to. */
export function go(to: string, options: { replace?: boolean } = {}): void {
  const before = route.value.path;
  scrolls.set(here(), window.scrollY);
  window.history[options.replace ? "replaceState" : "pushState"](null, "", href(to));
  batch(() => {
    route.value = read();
  });
  if (before !== route.value.path) arrived(0);
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

export function toQueue(queue: string, query: Changes = {}): string {
  return withQuery(`/queues/${encodeURIComponent(queue)}`, query);
}

export function toJob(queue: string, id: string, query: Changes = {}): string {
  return withQuery(`/queues/${encodeURIComponent(queue)}/job`, { id, ...query });
}

export function toFlow(queue: string, id: string): string {
  return withQuery(`/queues/${encodeURIComponent(queue)}/flow`, { id });
}

/** Follow the links of the page without loading it anew; and the browser's own back and forward. */
export function startRouter(): void {
  window.history.scrollRestoration = "manual";
  window.addEventListener("popstate", () => {
    const before = route.value.path;
    route.value = read();
    if (before !== route.value.path) arrived(scrolls.get(here()) ?? 0);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a[data-go]");
    if (!link) return;
    event.preventDefault();
    go(link.getAttribute("data-go") ?? "/", { replace: link.hasAttribute("data-replace") });
  });
}

function here(): string {
  return window.location.pathname + window.location.search;
}

/** After another page has come: to its top (or where it was left), and its heading is what a reader hears next. */
function arrived(top: number): void {
  requestAnimationFrame(() => {
    window.scrollTo(0, top);
    document.getElementById("main")?.focus({ preventScroll: true });
  });
}
