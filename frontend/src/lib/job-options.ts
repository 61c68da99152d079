/** The options of a job that is added by hand: the usual ones as texts of fields, the rest as JSON. */

import { Exact, type Json } from "./exact";
import { isObject } from "./schema";
import { readDuration, writeDuration } from "./time";

export interface Usual {
  delay: string;
  priority: string;
  attempts: string;
  /** What kind of pause comes before the next attempt; empty for none. */
  backoff: string;
  pause: string;
  jitter: string;
  id: string;
  /** How many completed jobs are kept: `100`, `7d`, `100, 7d`, `none`, `all`. */
  done: string;
  failed: string;
}

export type Flaws = Partial<Record<keyof Usual | "rest", string>>;

export const NO_OPTIONS: Usual = { delay: "", priority: "", attempts: "", backoff: "", pause: "", jitter: "", id: "", done: "", failed: "" };

/** What belongs to one job alone, and isn't taken over by another one like it. */
const OWN = ["jobId", "parent", "repeat", "repeatJobKey", "prevMillis", "timestamp", "rjk", "nrjid"];
const FIELDS: Record<string, keyof Usual> = { delay: "delay", priority: "priority", attempts: "attempts", backoff: "backoff", jobId: "id", removeOnComplete: "done", removeOnFail: "failed" };

/** The options of a job as the fields show them; what they can't show is left as JSON. */
export function split(given: unknown): { usual: Usual; rest: { [key: string]: Json } } {
  const usual = { ...NO_OPTIONS };
  const rest: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(isObject(given as Json) ? (given as { [key: string]: Json }) : {})) {
    if (OWN.includes(key) || (key === "attempts" && value === 0) || (key === "delay" && value === 0) || (key === "priority" && value === 0)) continue;
    if (!shown(usual, key, value)) rest[key] = value;
  }
  return { usual, rest };
}

function shown(usual: Usual, key: string, value: Json): boolean {
  const whole = typeof value === "number" && Number.isInteger(value) && value >= 0;
  switch (key) {
    case "delay":
      if (whole) usual.delay = writeDuration(value);
      return whole;
    case "priority":
    case "attempts":
      if (whole) usual[key] = String(value);
      return whole;
    case "backoff":
      return backoff(usual, value);
    case "removeOnComplete":
    case "removeOnFail": {
      const words = kept(value);
      if (words !== null) usual[key === "removeOnComplete" ? "done" : "failed"] = words;
      return words !== null;
    }
    default:
      return false;
  }
}

function backoff(usual: Usual, value: Json): boolean {
  if (typeof value === "number") Object.assign(usual, { backoff: "fixed", pause: writeDuration(value) });
  else if (isObject(value) && Object.keys(value).every((key) => ["type", "delay", "jitter"].includes(key)) && typeof value["type"] === "string" && [undefined, "number"].includes(value["delay"] === undefined ? undefined : typeof value["delay"])) {
    usual.backoff = value["type"];
    usual.pause = typeof value["delay"] === "number" && value["delay"] > 0 ? writeDuration(value["delay"]) : "";
    usual.jitter = value["jitter"] === undefined ? "" : String(value["jitter"]);
  } else return false;
  return true;
}

/** How many jobs are kept, in words that `readKept` reads; null if they can't say it. */
export function kept(value: Json): string | null {
  if (value === true) return "none";
  if (value === false) return "all";
  if (typeof value === "number" && Number.isInteger(value)) return value === -1 ? "all" : value >= 0 ? String(value) : null;
  if (!isObject(value) || Object.keys(value).some((key) => key !== "count" && key !== "age")) return null;
  const parts: string[] = [];
  const { count, age } = value;
  if (typeof count === "number" && Number.isInteger(count) && count >= 0) parts.push(String(count));
  else if (count !== undefined) return null;
  if (typeof age === "number" && Number.isInteger(age) && age > 0) parts.push(writeDuration(age * 1000));
  else if (age !== undefined) return null;
  return parts.length ? parts.join(", ") : null;
}

/** `100` → 100, `7d` → {age}, `100, 7d` → both, `none` → true, `all` → false; null if it says nothing of these. Ages are seconds. */
export function readKept(text: string): Json {
  const tidy = text.trim().toLowerCase();
  if (tidy === "none") return true;
  if (tidy === "all") return false;
  if (/^\d{1,9}$/.test(tidy)) return Number(tidy);
  const [, count, rest] = /^(?:(\d{1,9})(?:\s*(?:,|or|and)\s*))?(.*)$/.exec(tidy) ?? [];
  const age = rest && /[smhdw]/.test(rest) ? readDuration(rest) : null;
  if (age === null || age < 1000) return null;
  return { ...(count === undefined ? {} : { count: Number(count) }), age: Math.round(age / 1000) };
}

const WHOLE = /^\d{1,9}$/;

/** The options to be sent, and what is wrong with them. */
export function joined(usual: Usual, rest: Json | undefined): { options: { [key: string]: Json }; flaws: Flaws } {
  const flaws: Flaws = {};
  const found: { [key: string]: Json } = {};
  const delay = usual.delay.trim() ? readDuration(usual.delay) : 0;
  if (delay === null) flaws.delay = "A length of time, such as 30s or 2h.";
  else if (delay > 0) found["delay"] = delay;
  for (const name of ["priority", "attempts"] as const) {
    const tidy = usual[name].trim();
    if (tidy && !WHOLE.test(tidy)) flaws[name] = "A whole number.";
    else if (Number(tidy) > 0) found[name] = Number(tidy);
  }
  if (Number(usual.priority) > 2_097_151) flaws.priority = "At most 2,097,151.";
  if (usual.backoff) {
    const pause = usual.pause.trim() ? readDuration(usual.pause) : 0;
    if (pause === null) flaws.pause = "A length of time, such as 30s or 2h.";
    const jitter = usual.jitter.trim();
    if (jitter && !(Number(jitter) >= 0 && Number(jitter) <= 1)) flaws.jitter = "From 0 to 1.";
    found["backoff"] = { type: usual.backoff, ...(pause ? { delay: pause } : {}), ...(jitter ? { jitter: Number(jitter) } : {}) };
  }
  for (const [name, key] of [["done", "removeOnComplete"], ["failed", "removeOnFail"]] as const) {
    if (!usual[name].trim()) continue;
    const value = readKept(usual[name]);
    if (value === null) flaws[name] = "Such as 100, 7d, or none.";
    else found[key] = value;
  }
  if (usual.id.trim()) found["jobId"] = usual.id.trim();
  if (rest !== undefined && !isObject(rest)) flaws.rest = rest instanceof Exact ? "This is not JSON yet." : "Options are an object.";
  else if (rest !== undefined) {
    const twice = Object.keys(rest).find((key) => Object.hasOwn(found, key));
    if (twice) flaws.rest = `${twice} is given above, too.`;
    return { options: { ...rest, ...found }, flaws };
  }
  return { options: found, flaws };
}

/** Which field a server's sentence about the options is about. */
export function fieldOf(message: string): { field: keyof Flaws; message: string } | null {
  const match = /^options(?:\.(\w+))?[\w.]*:\s*(.+)$/is.exec(message) ?? /^(delay|priority|attempts|backoff|job_?id|remove_on_complete|remove_on_fail)\b(?:=[^:]*)?:\s*(.+)$/is.exec(message);
  if (!match) return null;
  const camel = (match[1] ?? "").replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
  return { field: FIELDS[camel] ?? "rest", message: match[2] ?? message };
}
