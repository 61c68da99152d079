/** What the page of metrics shows, reckoned from what was recorded. */

import type { NameStats, Spread, StatsPoint } from "../shapes";

/** Fewer jobs than this say little about how long they take. */
export const FEW = 20;

export interface Range {
  /** In the address: `from=-1h`. */
  from: string;
  to: string | null;
}

export const RANGES: readonly { from: string; text: string; words: string; ms: number }[] = [
  { from: "-1h", text: "1 h", words: "the last hour", ms: 3_600_000 },
  { from: "-24h", text: "24 h", words: "the last 24 hours", ms: 86_400_000 },
  { from: "-7d", text: "7 d", words: "the last 7 days", ms: 7 * 86_400_000 },
  { from: "-30d", text: "30 d", words: "the last 30 days", ms: 30 * 86_400_000 },
];

export function sumOf(points: readonly StatsPoint[]): { completed: number; failed: number; retried: number; busiest: number } {
  const found = { completed: 0, failed: 0, retried: 0, busiest: 0 };
  for (const point of points) {
    found.completed += point.completed;
    found.failed += point.failed;
    found.retried += point.retried;
    found.busiest = Math.max(found.busiest, point.completed + point.failed);
  }
  return found;
}

/** A percentile over time, twice: where there is enough behind it, and all of it. No time is shorter than what a scale of tens can show. */
export function percentiles(points: readonly StatsPoint[], kind: "run" | "wait", which: "p50" | "p95" | "p99"): { all: (number | null)[]; sure: (number | null)[] } {
  const values = points.map((point) => {
    const value = point[kind][which];
    return value === null ? null : Math.max(1, value);
  });
  return { all: values, sure: values.map((value, index) => ((points[index]?.[kind].count ?? 0) < FEW ? null : value)) };
}

/** By queue, the busiest first. */
export function byQueue(names: readonly NameStats[]): { queue: string; completed: number; failed: number; retried: number; names: number }[] {
  const found = new Map<string, { queue: string; completed: number; failed: number; retried: number; names: number }>();
  for (const one of names) {
    const row = found.get(one.queue) ?? { queue: one.queue, completed: 0, failed: 0, retried: 0, names: 0 };
    found.set(one.queue, { queue: one.queue, completed: row.completed + one.completed, failed: row.failed + one.failed, retried: row.retried + one.retried, names: row.names + 1 });
  }
  return [...found.values()].sort((a, b) => b.completed + b.failed - (a.completed + a.failed));
}

export type SortKey = "name" | "completed" | "failed" | "share" | "run" | "wait";

const VALUE: Record<Exclude<SortKey, "name">, (one: NameStats) => number> = {
  completed: (one) => one.completed,
  failed: (one) => one.failed,
  share: (one) => one.failed / Math.max(1, one.completed + one.failed),
  run: (one) => one.run.p95 ?? -1,
  wait: (one) => one.wait.p95 ?? -1,
};

/** In the order that was asked for: names from A on, numbers from the largest. */
export function sorted(names: readonly NameStats[], key: SortKey): NameStats[] {
  return names.toSorted((a, b) => (key === "name" ? a.name.localeCompare(b.name) || a.queue.localeCompare(b.queue) : VALUE[key](b) - VALUE[key](a) || b.completed - a.completed));
}

/** The percentile of the whole time that most jobs are behind: of the busiest names, as percentiles can't be added up. */
export function few(spread: Spread): boolean {
  return spread.count > 0 && spread.count < FEW;
}
