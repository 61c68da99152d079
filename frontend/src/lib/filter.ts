/** The search box's language: `name:invoice error:"timed out" path:user.id=42 from:-1h anything else`.
 *
 * One text holds the whole filter, so that it fits in the address bar and can be sent to a colleague.
 */

import { readMoment, type Zone } from "./time";

/** What is looked for. All parts have to hold. */
export interface Filter {
  /** Words to be found anywhere: in the id, the name, the data, the error. */
  text?: string;
  id?: string;
  name?: string;
  /** Paths into the data with their values: `user.id=42`. */
  path?: string[];
  error?: string;
  /** As typed: a relative time stays relative. */
  from?: string;
  to?: string;
}

type Key = Exclude<keyof Filter, "text">;

/** What can be typed before a colon, with what it finds. */
export const KEYS: readonly { key: Key; hint: string; example: string }[] = [
  { key: "id", hint: "exactly this job", example: "id:1042" },
  { key: "name", hint: "the job's name", example: "name:invoice" },
  { key: "path", hint: "a value in its data", example: "path:user.id=42" },
  { key: "error", hint: "why it failed", example: 'error:"timed out"' },
  { key: "from", hint: "not before", example: "from:-1h" },
  { key: "to", hint: "not after", example: "to:2026-11-24" },
];

const TOKEN = /^(?:([a-z]+):)?(?:"((?:[^"\\]|\\.)*)"?|(\S+))/i;

/** A filter from what was typed. Never fails: what it doesn't know is a word to be found. */
export function parse(text: string): Filter {
  const filter: Filter = {};
  const words: string[] = [];
  let rest = text.trimStart();
  for (let match = TOKEN.exec(rest); rest && match; match = TOKEN.exec(rest)) {
    const raw = match[0];
    const key = KEYS.find(({ key }) => key === match?.[1]?.toLowerCase())?.key;
    const value = match[2] === undefined ? (match[3] ?? "") : match[2].replace(/\\(.)/g, "$1");
    if (key === "path") filter.path = [...(filter.path ?? []), value];
    else if (key) filter[key] = value;
    else words.push(match[1] ? raw : value);
    rest = rest.slice(raw.length).trimStart();
  }
  if (words.length) filter.text = words.join(" ");
  return filter;
}

/** The text that `parse` reads back as this filter. */
export function format(filter: Filter): string {
  const parts: string[] = [];
  for (const { key } of KEYS) {
    const value = filter[key];
    for (const one of Array.isArray(value) ? value : [value]) if (one) parts.push(`${key}:${quoted(one)}`);
  }
  // Words that look like a key of ours, or like a quoted text, have to be quoted to stay words.
  if (filter.text) parts.push(filter.text.split(/\s+/).map((word) => (parse(word).text === word ? word : quoted(word, true))).join(" "));
  return parts.join(" ");
}

function quoted(value: string, always = false): string {
  return always || /[\s"]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : value;
}

/** Whether it asks for nothing. */
export function isEmpty(filter: Filter): boolean {
  return Object.values(filter).every((value) => !value?.length);
}

/** What is wrong with it, in a sentence; null if nothing is. */
export function problem(filter: Filter, now: number, zone: Zone = "local"): string | null {
  for (const side of ["from", "to"] as const) {
    const text = filter[side];
    if (text && readMoment(text, now, zone) === null) return `${side}: “${text}” is no time. Try -1h, -2d or 2026-11-24.`;
  }
  if (filter.path && (filter.path.length > 1 || filter.text || filter.id)) return "path: stands alone: one path, and no other words beside it.";
  for (const path of filter.path ?? []) if (!/^[^=]+=./.test(path)) return `path: “${path}” should be like user.id=42.`;
  const from = filter.from ? readMoment(filter.from, now, zone) : null;
  const to = filter.to ? readMoment(filter.to, now, zone) : null;
  return from !== null && to !== null && from > to ? "from: is later than to:." : null;
}

/** The parameters of `GET /queues/{queue}/search`, with times made exact. */
export function toQuery(filter: Filter, now: number, zone: Zone = "local"): Record<string, string> {
  const found: Record<string, string> = {};
  // The server looks for the words in one place: anywhere, or at a path.
  const [path, value] = split(filter.path?.[0] ?? "");
  const words = path ? value : [filter.id, filter.text].filter(Boolean).join(" ");
  if (words) found["q"] = words;
  if (path) found["path"] = path;
  if (filter.name) found["name"] = filter.name;
  if (filter.error) found["error"] = filter.error;
  for (const side of ["from", "to"] as const) {
    const at = filter[side] ? readMoment(filter[side], now, zone) : null;
    if (at !== null) found[side] = String(at);
  }
  return found;
}

function split(path: string): [path: string, value: string] {
  const at = path.indexOf("=");
  return at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at + 1)];
}

/** What could be typed next: the keys that fit and are not there yet, as the whole new text. */
export function suggest(text: string): { insert: string; key: Key; hint: string; example: string }[] {
  const last = /(\S*)$/.exec(text)?.[1] ?? "";
  const head = text.slice(0, text.length - last.length);
  if (/[:"]/.test(last)) return [];
  const used = parse(head);
  return KEYS.filter(({ key }) => key.startsWith(last.toLowerCase()) && !used[key]).map((known) => ({ ...known, insert: `${head}${known.key}:` }));
}
