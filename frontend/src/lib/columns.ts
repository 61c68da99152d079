/** Which columns a list of jobs shows, and in which order: as a text that fits into the address. */

/** What lists show unless somebody chooses: by state. */
export const USUAL: Record<string, readonly string[]> = {
  waiting: ["data", "attempts", "added"],
  prioritized: ["data", "priority", "attempts", "added"],
  delayed: ["data", "attempts", "added", "due"],
  "waiting-children": ["data", "added"],
  active: ["data", "progress", "worker", "attempts", "runs"],
  completed: ["data", "waited", "ran", "finished"],
  failed: ["error", "attempts", "ran", "finished"],
  any: ["about", "state", "added"],
};

const ALWAYS = ["data", "added", "attempts", "priority", "scheduler"];
const TAKEN = ["started", "waited", "worker", "progress", "stalled"];
const ENDED = ["finished", "ran", "took"];

/** What can be chosen: by state, in the order in which it is offered. */
export function offered(state: string): readonly string[] {
  switch (state) {
    case "active":
      return [...ALWAYS, ...TAKEN, "runs"];
    case "completed":
      return [...ALWAYS, ...TAKEN, ...ENDED];
    case "failed":
      return ["error", ...ALWAYS, ...TAKEN, ...ENDED];
    case "delayed":
      return [...ALWAYS, "due", "error"];
    case "any":
      return ["about", "state", "error", ...ALWAYS, "due", ...TAKEN, ...ENDED];
    default:
      return ALWAYS;
  }
}

export function usual(state: string): readonly string[] {
  return (Object.hasOwn(USUAL, state) ? USUAL[state] : USUAL["waiting"]) ?? [];
}

/** The columns that a text names, without what is not known in this state; the usual ones if it names none. */
export function chosen(text: string | null | undefined, state: string): readonly string[] {
  const known = offered(state);
  const named = [...new Set((text ?? "").split(","))].filter((id) => known.includes(id));
  return named.length > 0 ? named : usual(state);
}

/** The text for the address; null if they are the usual ones, which need none. */
export function written(columns: readonly string[], state: string): string | null {
  const text = columns.join(",");
  return text === usual(state).join(",") || columns.length === 0 ? null : text;
}

/** With a column more, at its end, or one less; one stays in any case. */
export function turned(columns: readonly string[], id: string): readonly string[] {
  if (!columns.includes(id)) return [...columns, id];
  return columns.length > 1 ? columns.filter((one) => one !== id) : columns;
}

/** With a column one place further to the left (−1) or to the right (1). */
export function moved(columns: readonly string[], id: string, way: -1 | 1): readonly string[] {
  const at = columns.indexOf(id);
  const to = at + way;
  if (at < 0 || to < 0 || to >= columns.length) return columns;
  const rest = columns.filter((one) => one !== id);
  return [...rest.slice(0, to), id, ...rest.slice(to)];
}
