/** The states of a job: in the order of its life, with their words. */

import type { Counts } from "./shapes";

export interface State {
  id: string;
  word: string;
  count: keyof Counts;
  /** What an empty list of them means. */
  empty: string;
}

export const STATES: readonly State[] = [
  { id: "waiting", word: "Waiting", count: "waiting", empty: "Jobs that a worker can take come here." },
  { id: "prioritized", word: "Prioritized", count: "prioritized", empty: "Waiting jobs that were added with a priority come here." },
  { id: "delayed", word: "Delayed", count: "delayed", empty: "Jobs that are to run later, or again after a failure, come here." },
  { id: "waiting-children", word: "Waiting for children", count: "waiting_children", empty: "Jobs of a flow come here until their children are done." },
  { id: "active", word: "Active", count: "active", empty: "Jobs come here while a worker runs them." },
  { id: "completed", word: "Completed", count: "completed", empty: "Jobs come here when they are done, unless they are removed then." },
  { id: "failed", word: "Failed", count: "failed", empty: "Jobs come here when their last attempt has failed." },
];

export function stateOf(id: string): State | undefined {
  return STATES.find((state) => state.id === id);
}

export function wordOf(id: string): string {
  return stateOf(id)?.word ?? (id ? id[0]?.toUpperCase() + id.slice(1) : "Unknown");
}

/** Which bulk and single actions make sense in a state. */
export function canBe(action: "retry" | "promote" | "remove" | "delay" | "priority" | "edit", state: string): boolean {
  switch (action) {
    case "retry":
      return state === "failed" || state === "completed";
    case "promote":
      return state === "delayed";
    case "delay":
      return state === "delayed";
    case "priority":
      return state === "waiting" || state === "prioritized" || state === "delayed";
    case "edit":
      return state !== "active" && state !== "completed";
    case "remove":
      return state !== "active";
  }
}

export function total(counts: Counts): number {
  return STATES.reduce((sum, state) => sum + counts[state.count], 0);
}
