/** What can be done with many jobs, and with which. */

import { may } from "../state";
import { canBe } from "../states";

/** How many jobs are on a page. */
export const PAGE = 50;

/** How many can be chosen one by one for a bulk action. */
export const MOST_IDS = 1000;

export type BulkAction = "retry" | "promote" | "remove";

export const VERBS: Record<BulkAction, string> = { retry: "Retry", promote: "Promote", remove: "Remove" };

/** What a bulk action is about: these jobs, or all in a state that fit a filter. */
export interface Chosen {
  ids?: string[];
  state?: string;
  filter: Record<string, string>;
  /** The filter as people read it. */
  words: string;
}

export function actionsFor(state: string): BulkAction[] {
  if (state === "any" || !may("bulk")) return [];
  return (["retry", "promote", "remove"] as const).filter((action) => may(action) && canBe(action, state));
}

/** Whether there is anything that a selection could be for. */
export function canPick(state: string): boolean {
  return actionsFor(state).length > 0 || may("export");
}
