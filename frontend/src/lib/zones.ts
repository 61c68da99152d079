/** Times by the clock of a zone that isn't the viewer's. */

const formats = new Map<string, Intl.DateTimeFormat | null>();

function formatOf(tz: string): Intl.DateTimeFormat | null {
  let found = formats.get(tz);
  if (found === undefined) {
    try {
      found = new Intl.DateTimeFormat("en-GB", { timeZone: tz, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    } catch {
      found = null;
    }
    formats.set(tz, found);
  }
  return found;
}

/** `Tue 1 Dec, 08:00` by the clock of this zone; null if the browser doesn't know it. */
export function inZone(at: number, tz: string): string | null {
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? (formatOf(tz)?.format(at) ?? null) : null;
}

/** Whether the two zones show another time at any of these moments. */
export function differ(tz: string, other: string, moments: readonly number[]): boolean {
  if (tz === other) return false;
  return moments.some((at) => inZone(at, tz) !== null && inZone(at, tz) !== inZone(at, other));
}
