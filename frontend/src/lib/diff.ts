/** What differs: between two texts word by word, between two JSON values place by place. */

import { Exact, type Json, stringify } from "./exact";

export interface Part {
  text: string;
  /** In both, or only in the first, or only in the second. */
  in: "both" | "first" | "second";
}

const MOST_WORDS = 400;

/** The words of two texts, told apart by whether both have them. Very long texts are taken as a whole. */
export function words(first: string, second: string): Part[] {
  if (first === second) return first ? [{ text: first, in: "both" }] : [];
  const [a, b] = [split(first), split(second)];
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) return joined([...a.map((text) => ({ text, in: "first" as const })), ...b.map((text) => ({ text, in: "second" as const }))]);
  const common = lengths(a, b);
  const parts: Part[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i], b[j]];
    if (x !== undefined && x === y) {
      parts.push({ text: x, in: "both" });
      i++;
      j++;
    } else if (y === undefined || (x !== undefined && at(common, i + 1, j) >= at(common, i, j + 1))) {
      parts.push({ text: x ?? "", in: "first" });
      i++;
    } else {
      parts.push({ text: y, in: "second" });
      j++;
    }
  }
  return joined(parts);
}

/** What was taken away from a text and what has come; where nearly nothing is the same, the one as a whole and the other. */
export function changes(first: string, second: string): Part[] {
  const parts = words(first, second);
  const same = parts.filter((part) => part.in === "both").reduce((sum, part) => sum + (part.text.match(/[\p{L}\p{N}]/gu)?.length ?? 0), 0);
  if (same * 3 >= Math.max(first.length, second.length)) return parts;
  return [{ text: first, in: "first" as const }, { text: second, in: "second" as const }].filter((part) => part.text);
}

/** Words, numbers, spaces, and each other character by itself. */
function split(text: string): string[] {
  return text.match(/[\p{L}\p{M}_]+|\p{N}+|\s+|[^]/gu) ?? [];
}

/** For each pair of places: how many pieces both have in common from there on. */
function lengths(a: readonly string[], b: readonly string[]): Uint16Array[] {
  const rows = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = rows[i];
      if (row) row[j] = a[i] === b[j] ? at(rows, i + 1, j + 1) + 1 : Math.max(at(rows, i + 1, j), at(rows, i, j + 1));
    }
  }
  return rows;
}

function at(rows: readonly Uint16Array[], i: number, j: number): number {
  return rows[i]?.[j] ?? 0;
}

function joined(parts: readonly Part[]): Part[] {
  const found: Part[] = [];
  for (const part of parts) {
    const last = found.at(-1);
    if (last && last.in === part.in) last.text += part.text;
    else found.push({ ...part });
  }
  return found;
}

export interface Difference {
  path: string;
  /** As JSON; null where there is nothing. */
  first: string | null;
  second: string | null;
  same: boolean;
}

const MOST_PLACES = 2_000;

/** Two JSON values as rows: each place that has a plain value in one of them. */
export function places(first: Json | undefined, second: Json | undefined): { rows: Difference[]; cut: boolean } {
  const rows: Difference[] = [];
  let cut = false;
  look(first, second, "");
  return { rows, cut };

  function look(a: Json | undefined, b: Json | undefined, path: string): void {
    if (rows.length >= MOST_PLACES) {
      cut = true;
      return;
    }
    // What only one side has is told apart place by place, too; what is of another kind stands as a whole.
    if ((folds(a) && (folds(b) || b === undefined)) || (a === undefined && folds(b))) {
      const keys = keysOf(a, b);
      if (keys.length > 0 && Array.isArray(a ?? b) === Array.isArray(b ?? a)) {
        for (const key of keys) look(member(a, key), member(b, key), path + step(key, Array.isArray(a ?? b)));
        return;
      }
    }
    const [x, y] = [text(a), text(b)];
    rows.push({ path, first: x, second: y, same: x === y });
  }
}

function folds(value: Json | undefined): value is Json[] | Record<string, Json> {
  return value !== null && typeof value === "object" && !(value instanceof Exact);
}

function keysOf(a: Json | undefined, b: Json | undefined): string[] {
  return [...new Set([...(folds(a) ? Object.keys(a) : []), ...(folds(b) ? Object.keys(b) : [])])];
}

function member(value: Json | undefined, key: string): Json | undefined {
  return folds(value) && Object.hasOwn(value, key) ? (value as Record<string, Json>)[key] : undefined;
}

function step(key: string, list: boolean): string {
  if (list) return `[${key}]`;
  return /^[A-Za-z_$][\w$-]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function text(value: Json | undefined): string | null {
  return value === undefined ? null : stringify(value);
}
