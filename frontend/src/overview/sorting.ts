/** In which order queues stand in the overview, and what they are compared by. */

import { serverNow } from "../api";
import { compact } from "../lib/format";
import type { QueueRow } from "../shapes";
import { favourites } from "../state";

export type Key = "name" | "oldest" | "p95" | "rate" | "workers" | keyof QueueRow["counts"];

const VALUES: Record<"name" | "oldest" | "p95" | "rate" | "workers", (row: QueueRow) => string | number> = {
  name: (row) => row.name,
  oldest: (row) => (row.oldest_waiting === null ? -1 : serverNow() - row.oldest_waiting),
  p95: (row) => row.p95 ?? -1,
  rate: (row) => rateOf(row) ?? -1,
  workers: (row) => row.workers ?? -1,
};

function valueOf(row: QueueRow, key: Key): string | number {
  return key in row.counts ? row.counts[key as keyof QueueRow["counts"]] : VALUES[key as "name"](row);
}

/** Done a minute, over the last five. */
export function rateOf(row: { done_per_minute: number[] }): number | null {
  const last = row.done_per_minute.slice(-5);
  return last.length === 0 ? null : last.reduce((sum, one) => sum + one, 0) / last.length;
}

export function perMinute(rate: number): string {
  return rate > 0 && rate < 10 ? rate.toFixed(1) : compact(Math.round(rate));
}

export function sorted(rows: readonly QueueRow[], key: Key, down: boolean): QueueRow[] {
  const way = down ? -1 : 1;
  const by = key in VALUES || rows.some((row) => key in row.counts) ? key : "name";
  return [...rows].sort((a, b) => {
    const [x, y] = [valueOf(a, by), valueOf(b, by)];
    const order = typeof x === "string" ? x.localeCompare(String(y)) : x - Number(y);
    return order * way || a.name.localeCompare(b.name);
  });
}

/** Names go up first, numbers down first; the second press turns it, the third goes back to names. */
export function next(id: Key, on: boolean, down: boolean): Record<string, string | null> {
  if (id === "name") return { sort: null, dir: on && !down ? "desc" : null };
  if (!on) return { sort: id, dir: "desc" };
  return down ? { sort: id, dir: null } : { sort: null, dir: null };
}

export function pin(name: string): void {
  const known = favourites.value;
  favourites.value = known.includes(name) ? known.filter((one) => one !== name) : [...known, name];
}

/** Those that are pinned, and the others. */
export function parted<T extends { name: string }>(rows: readonly T[]): [pinned: T[], others: T[]] {
  const known = favourites.value;
  return [rows.filter((row) => known.includes(row.name)), rows.filter((row) => !known.includes(row.name))];
}
