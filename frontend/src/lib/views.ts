/** Views: what a list shows, under a name. A view is an address, so it can be sent to somebody as a link. */

export interface View {
  name: string;
  /** The queue that it is of; null for all. */
  queue: string | null;
  /** The words of the address that make it: state, filter, order, columns. */
  query: string;
}

/** What makes a view; the place in the list does not. */
const WORDS = ["state", "q", "fingerprint", "order", "cols"];

const LONGEST_NAME = 60;

/** The words of an address that make the view, always in the same order. */
export function wordsOf(query: URLSearchParams): string {
  const kept = new URLSearchParams();
  for (const word of WORDS) {
    const value = query.get(word);
    if (value) kept.set(word, value);
  }
  return kept.toString();
}

/** Whether what was found in the browser's storage is a list of views. */
export function areViews(value: unknown): value is View[] {
  return Array.isArray(value) && value.every(isView);
}

function isView(value: unknown): value is View {
  const view = value as Partial<View> | null;
  return typeof view?.name === "string" && typeof view.query === "string" && (view.queue === null || typeof view.queue === "string");
}

/** Those that can be seen in a queue: its own first, then those for all, each by name. */
export function viewsOf(views: readonly View[], queue: string): View[] {
  const order = (view: View) => (view.queue === null ? 1 : 0);
  return views.filter((view) => view.queue === null || view.queue === queue).sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name));
}

/** With one more; another of the same name and queue is replaced. */
export function withView(views: readonly View[], view: View): View[] {
  const named = { ...view, name: view.name.trim().slice(0, LONGEST_NAME) };
  return named.name ? [...withoutView(views, named), named] : [...views];
}

export function withoutView(views: readonly View[], view: View): View[] {
  return views.filter((one) => one.name !== view.name || one.queue !== view.queue);
}

/** What it shows, in words, as a name to begin with: "Failed · timed out". */
export function nameFor(query: URLSearchParams, word: string): string {
  const filter = query.get("q") ?? (query.has("fingerprint") ? "one kind of failure" : "");
  return [word, filter].filter(Boolean).join(" · ").slice(0, LONGEST_NAME);
}
