/** Pages of a long list, and what somebody types to get to one. */

/** Where a page begins that was asked for as `123` or, by how far it is into the list, as `50%`; null if that is none. */
export function startOf(typed: string, total: number, size: number): number | null {
  const match = /^([\d,. ]*\d)\s*(%?)$/.exec(typed.trim());
  if (!match || total <= 0) return null;
  const last = Math.max(0, Math.ceil(total / size) - 1);
  if (match[2]) {
    const share = Number((match[1] ?? "").replace(",", "."));
    if (!(share >= 0 && share <= 100)) return null;
    return Math.min(last, Math.floor((share / 100) * (total / size))) * size;
  }
  const page = Number((match[1] ?? "").replace(/[,. ]/g, ""));
  return page >= 1 ? Math.min(last, page - 1) * size : null;
}

/** The number of the page that begins here, and how many there are. */
export function pageAt(start: number, total: number, size: number): { page: number; pages: number } {
  return { page: Math.floor(start / size) + 1, pages: Math.max(1, Math.ceil(total / size)) };
}
