/** Numbers, sizes and texts, as people read them. */

export { span } from "./time";

const DIGITS = new Intl.NumberFormat("en-US");

/** A number with its digits in groups: `94,137`. */
export function num(value: number): string {
  return DIGITS.format(value);
}

/** A number for narrow places: `94.1k`. Rounds down: 999,999 jobs are not a million. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size < 10_000) return num(value);
  for (const [step, unit] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]] as const) {
    if (size < step) continue;
    const scaled = size / step;
    const text = scaled < 100 ? (Math.floor(scaled * 10) / 10).toFixed(1).replace(/\.0$/, "") : num(Math.floor(scaled));
    return `${value < 0 ? "−" : ""}${text}${unit}`;
  }
  return num(value);
}

/** `1 job`, `12,431 jobs`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${num(value)} ${value === 1 ? one : many}`;
}

/** A size: `0 B`, `1.4 KB`, `23.5 GB`, in steps of 1024 as Redis counts. */
export function bytes(value: number): string {
  let size = value;
  for (const unit of ["B", "KB", "MB", "GB", "TB"]) {
    if (size < 1024 || unit === "TB") return unit === "B" || size >= 100 ? `${Math.round(size)} ${unit}` : `${size.toFixed(1)} ${unit}`;
    size /= 1024;
  }
  return `${value} B`;
}

/** The first line of a text that has any. */
export function firstLine(text: string): string {
  return text.split(/\r?\n/).find((line) => line.trim())?.trim() ?? "";
}

/** A part of a whole: `0 %`, `0.3 %`, `98.8 %`, `100 %`. Never 100 % or 0 % unless it is. */
export function percent(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) return "0 %";
  if (part >= whole) return "100 %";
  const value = Math.min(99.9, Math.max(0.1, (part / whole) * 100));
  return `${value.toFixed(value < 10 || value > 90 ? 1 : 0).replace(/\.0$/, "")} %`;
}

/** A text cut in its middle, where ids differ least: `e7b8b658…c1e35fb`. */
export function middle(text: string, most = 20): string {
  const letters = Array.from(text);
  if (letters.length <= most) return text;
  const head = Math.ceil((most - 1) / 2);
  return `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (most - 1 - head)).join("")}`;
}

/** A text cut at its end. */
export function clip(text: string, most: number): string {
  const letters = Array.from(text.length > most * 2 ? text.slice(0, most * 2 + 2) : text);
  return letters.length <= most && text.length <= most * 2 ? text : `${letters.slice(0, most - 1).join("")}…`;
}

/** A piece of a text: as it is, or a character that would not be seen and what it is called. */
export type Piece = { text: string; mark?: undefined } | { text: string; mark: string };

const NAMES: Record<number, string> = {
  0x00: "null", 0x07: "bell", 0x08: "backspace", 0x09: "tab", 0x0a: "line feed", 0x0d: "carriage return", 0x1b: "escape",
  0x7f: "delete", 0xad: "soft hyphen", 0x061c: "Arabic letter mark", 0x180e: "vowel separator", 0x200b: "zero-width space",
  0x200c: "zero-width non-joiner", 0x200d: "zero-width joiner", 0x200e: "left-to-right mark", 0x200f: "right-to-left mark",
  0x2028: "line separator", 0x2029: "paragraph separator", 0x202a: "left-to-right embedding", 0x202b: "right-to-left embedding",
  0x202c: "pop directional formatting", 0x202d: "left-to-right override", 0x202e: "right-to-left override",
  0x2060: "word joiner", 0x2066: "left-to-right isolate", 0x2067: "right-to-left isolate", 0x2068: "first strong isolate",
  0x2069: "pop directional isolate", 0xfeff: "byte order mark",
};

// What is not seen, or turns the text around it: controls, bidi, zero width, halves of surrogate pairs, tags.
const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;

/** A text in pieces, with each character that would not be seen named: hostile data must look like what it is.
 *
 * A joiner between two emoji stays, as it is part of one. With `lines`, line feeds and tabs stay too.
 */
export function pieces(text: string, lines = false): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    const at = match.index;
    const code = match[0].codePointAt(0) ?? 0;
    if (lines && (code === 0x0a || code === 0x09)) continue;
    if (code === 0x200d && /\p{Extended_Pictographic}\ufe0f?$/u.test(text.slice(Math.max(0, at - 3), at))) continue;
    if (at > from) found.push({ text: text.slice(from, at) });
    found.push(named(code));
    from = at + match[0].length;
  }
  if (from < text.length || found.length === 0) found.push({ text: text.slice(from) });
  return found;
}

function named(code: number): Piece {
  const hex = code.toString(16).toUpperCase().padStart(4, "0");
  const short = { 0x09: "\\t", 0x0a: "\\n", 0x0d: "\\r" }[code];
  return { text: short ?? `U+${hex}`, mark: `U+${hex} ${NAMES[code] ?? (code < 0xa0 ? "control character" : "not visible")}` };
}

/** The same for places that take plain text only, such as a title: `U+202E`. */
export function visible(text: string): string {
  return pieces(text).map((piece) => (piece.mark ? `[${piece.text}]` : piece.text)).join("");
}

/** The address if it may be a link: only http and https, nothing that looks like an address but runs. */
export function link(text: string): string | null {
  if (text.length > 2000 || !/^https?:\/\/[^\s<>"]+$/i.test(text) || pieces(text).some((piece) => piece.mark)) return null;
  try {
    const url = new URL(text);
    return (url.protocol === "http:" || url.protocol === "https:") && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}
