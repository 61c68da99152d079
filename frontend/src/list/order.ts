/** In which order a list is. */

import { route } from "../router";

export type Order = "newest" | "oldest";

/** Newest first for what is done, next first for what is to come. */
export function orderOf(state: string): Order {
  const given = route.value.query.get("order");
  if (given === "newest" || given === "oldest") return given;
  return state === "completed" || state === "failed" ? "newest" : "oldest";
}

export function orderWords(state: string, order: Order): string {
  const coming = state === "waiting" || state === "prioritized" || state === "delayed";
  if (coming) return order === "oldest" ? "Next first" : "Last first";
  return order === "newest" ? "Newest first" : "Oldest first";
}
