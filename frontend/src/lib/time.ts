/** Points and lengths of time, as people read them. All are milliseconds. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Whose clock times are shown by. */
export type Zone = "local" | "utc";

/** A length of time: `69 ms`, `1.4 s`, `2 m 03 s`, `3 h 12 m`, `4 d 2 h`. */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 0) return `−${span(-ms)}`;
  if (ms < SECOND) return `${Math.floor(ms)} ms`;
  if (ms < MINUTE) return `${(Math.floor(ms / 100) / 10).toFixed(1).replace(/\.0$/, "")} s`;
  if (ms < HOUR) return two(ms, MINUTE, "m", SECOND, "s");
  if (ms < DAY) return two(ms, HOUR, "h", MINUTE, "m");
  if (ms < 365 * DAY) return two(ms, DAY, "d", HOUR, "h", false);
  return two(ms, 365 * DAY, "y", DAY, "d", false);
}

function two(ms: number, big: number, bigUnit: string, small: number, smallUnit: string, pad = true): string {
  const whole = Math.floor(ms / big);
  const rest = Math.floor((ms - whole * big) / small);
  return rest === 0 ? `${whole} ${bigUnit}` : `${whole} ${bigUnit} ${pad ? String(rest).padStart(2, "0") : rest} ${smallUnit}`;
}

/** A length of time in one unit, for ages: `5 s`, `2 m`, `3 h`, `4 d`. */
export function brief(ms: number): string {
  const size = Math.abs(ms);
  if (size < MINUTE) return `${Math.floor(size / SECOND)} s`;
  if (size < HOUR) return `${Math.floor(size / MINUTE)} m`;
  if (size < 2 * DAY) return `${Math.floor(size / HOUR)} h`;
  if (size < 365 * DAY) return `${Math.floor(size / DAY)} d`;
  return `${Math.floor(size / (365 * DAY))} y`;
}

/** When, seen from now: `now`, `2 m ago`, `in 3 h`. */
export function ago(at: number, now: number): string {
  const away = at - now;
  if (Math.abs(away) < SECOND) return "now";
  return away < 0 ? `${brief(away)} ago` : `in ${brief(away)}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new Intl.DateTimeFormat("en-GB", options)));
  return found;
}

/** The viewer's zone, such as `Europe/Berlin`. */
export function here(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

function tzOf(zone: Zone): string {
  return zone === "utc" ? "UTC" : here();
}

/** Exactly when, with the zone: `Tue 24 Nov 2026, 07:40:12.345 GMT+1`. */
export function exact(at: number, zone: Zone = "local"): string {
  const tz = tzOf(zone);
  if (!valid(at)) return "not a time";
  const text = format(`exact ${tz}`, {
    timeZone: tz, weekday: "short", day: "numeric", month: "short", year: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "short", hourCycle: "h23",
  });
  return text.format(at);
}

/** The day and minute, without the year if it is this one: `Tue 24 Nov, 07:40`. */
export function day(at: number, zone: Zone = "local", now: number = Date.now()): string {
  const tz = tzOf(zone);
  if (!valid(at)) return "not a time";
  const sameYear = format(`year ${tz}`, { timeZone: tz, year: "numeric" });
  const year = sameYear.format(at) === sameYear.format(now) ? undefined : ("numeric" as const);
  return format(`day ${year} ${tz}`, {
    timeZone: tz, weekday: "short", day: "numeric", month: "short", year, hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  }).format(at);
}

/** The clock: `07:40:12`, or `07:40`. */
export function clock(at: number, zone: Zone = "local", seconds = true): string {
  const tz = tzOf(zone);
  if (!valid(at)) return "not a time";
  return format(`clock ${seconds} ${tz}`, {
    timeZone: tz, hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hourCycle: "h23",
  }).format(at);
}

/** The clock if it is near, else the day too. */
export function when(at: number, now: number, zone: Zone = "local"): string {
  const near = Math.abs(at - now) < 20 * HOUR && day(at, zone, now).slice(0, -7) === day(now, zone, now).slice(0, -7);
  return near ? clock(at, zone) : day(at, zone, now);
}

/** For exports, titles and `<time datetime>`: `2026-11-24T06:40:12.345Z`. */
export function iso(at: number): string {
  return valid(at) ? new Date(at).toISOString() : "";
}

function valid(at: number): boolean {
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15;
}

const UNITS: Record<string, number> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/** A length of time as typed: `90`, `5s`, `1.5 h`, `2d 3h`; null if it is none. A bare number is seconds. */
export function readDuration(text: string): number | null {
  const tidy = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(tidy)) return Math.round(Number(tidy) * SECOND);
  if (!/^(\d+(\.\d+)?\s*(ms|[smhdw])\s*)+$/.test(tidy)) return null;
  let sum = 0;
  for (const [, number, unit] of tidy.matchAll(/(\d+(?:\.\d+)?)\s*(ms|[smhdw])/g)) sum += Number(number) * (UNITS[unit ?? ""] ?? 0);
  return Math.round(sum);
}

/** A length of time as `readDuration` reads it back exactly: `1h 30m`, `1500ms`. */
export function writeDuration(ms: number): string {
  const parts: string[] = [];
  let rest = Math.round(ms);
  for (const [unit, size] of [["d", DAY], ["h", HOUR], ["m", MINUTE], ["s", SECOND], ["ms", 1]] as const) {
    const whole = Math.floor(rest / size);
    if (whole > 0) parts.push(`${whole}${unit}`);
    rest -= whole * size;
  }
  return parts.join(" ") || "0s";
}

/** A point in time as typed: `-1h` (an hour ago), `now`, `today` (its first moment), a date, a date with time, or
 * milliseconds; null if it is none. What says no zone is by the clock that times are shown by.
 */
export function readMoment(text: string, now: number, zone: Zone = "local"): number | null {
  const tidy = text.trim();
  if (tidy === "now") return now;
  if (tidy === "today" || tidy === "yesterday") {
    const hour = tidy === "today" ? 0 : -24;
    return zone === "utc" ? new Date(now).setUTCHours(hour, 0, 0, 0) : new Date(now).setHours(hour, 0, 0, 0);
  }
  if (/^\d{12,14}$/.test(tidy)) return Number(tidy);
  if (/^[-+]\s*\d/.test(tidy)) {
    const length = readDuration(tidy.slice(1));
    return length === null ? null : now + (tidy.startsWith("-") ? -length : length);
  }
  if (!/^\d{4}-\d{2}(-\d{2})?([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:\d{2})?$/.test(tidy)) return null;
  const whole = /^\d{4}-\d{2}$/.test(tidy) ? `${tidy}-01` : tidy;
  const local = /^\d{4}-\d{2}-\d{2}$/.test(whole) ? `${whole}T00:00` : whole.replace(" ", "T");
  const at = Date.parse(zone === "utc" && !/(?:Z|[+-]\d{2}:\d{2})$/.test(local) ? `${local}Z` : local);
  return Number.isNaN(at) ? null : at;
}

/** A point in time as a field for one has it, without its zone, and as `readMoment` reads it back: `2026-11-24T07:40:12`. */
export function fieldTime(at: number, zone: Zone = "local"): string {
  const ahead = zone === "utc" ? 0 : -new Date(at).getTimezoneOffset() * MINUTE;
  return new Date(at + ahead).toISOString().slice(0, 19);
}
