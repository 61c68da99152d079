/** JSON whose numbers stay what they were: ids of 19 digits are no floats. */

/** A number that JavaScript can't hold, as it was written. */
export class Exact {
  constructor(readonly source: string) {}
  toString(): string {
    return this.source;
  }
}

export type Json = null | boolean | number | string | Exact | Json[] | { [key: string]: Json };

const MAYBE = /\d[\d.]{15}|\d[eE]/;
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/** `JSON.parse`, with `Exact` where a number would change. */
export function parse(text: string): Json {
  if (!MAYBE.test(text)) return JSON.parse(text) as Json;
  JSON.parse(text); // its errors speak of the text as it is
  // Only this call knows the mark, so no string in the data can pass for a number.
  const mark = `\u0000${Math.random()}:`;
  const marked = text.replace(TOKENS, (token) => (token.startsWith('"') || holds(token) ? token : JSON.stringify(mark + token)));
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? new Exact(value.slice(mark.length)) : value,
  ) as Json;
}

/** Whether a float says the same as these digits. */
function holds(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value)) return false;
  return digits(token) === digits(String(value));
}

/** The digits that count, and where the point is: `1200` → `12e2`, `0.50` → `5e-1`. */
function digits(token: string): string {
  const [, sign = "", whole = "", part = "", power = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token) ?? [];
  const all = (whole + part).replace(/^0+/, "");
  const tidy = all.replace(/0+$/, "");
  if (!tidy) return "0";
  return `${sign}${tidy}e${Number(power) - part.length + all.length - tidy.length}`;
}

/** `JSON.stringify(value, null, indent)`, with numbers as they were. */
export function stringify(value: Json | undefined, indent = 0): string {
  return write(value ?? null, indent ? " ".repeat(indent) : "", indent ? "\n" : "");
}

function write(value: Json, step: string, line: string): string {
  if (value instanceof Exact) return value.source;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const inner = line && line + step;
  const list = Array.isArray(value);
  const parts = list
    ? value.map((item) => write(item ?? null, step, inner))
    : Object.entries(value).filter(([, item]) => item !== undefined).map(([key, item]) => `${JSON.stringify(key)}:${step && " "}${write(item, step, inner)}`);
  const [open, close] = list ? "[]" : "{}";
  return parts.length ? `${open}${inner}${parts.join(`,${inner}`)}${line}${close}` : `${open}${close}`;
}

/** Where a text is no JSON, and why. */
export interface Flaw {
  line: number;
  column: number;
  offset: number;
  message: string;
}

/** The first flaw of a text that should be JSON; null if it is. Finds the place itself, since browsers say it each in its way. */
export function flaw(text: string): Flaw | null {
  try {
    JSON.parse(text);
    return null;
  } catch {
    const { offset, message } = new Reader(text).find();
    const before = text.slice(0, offset).split("\n");
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, offset, message };
  }
}

class Wrong extends Error {
  constructor(readonly offset: number, message: string) {
    super(message);
  }
}

/** Reads JSON only to find where it goes wrong. */
class Reader {
  private at = 0;
  private depth = 0;
  constructor(private readonly text: string) {}

  find(): { offset: number; message: string } {
    try {
      this.space();
      if (this.at >= this.text.length) this.fail("It is empty.");
      this.value();
      this.space();
      if (this.at < this.text.length) this.fail("Nothing may follow the end.");
    } catch (error) {
      if (error instanceof Wrong) return { offset: error.offset, message: error.message };
    }
    return { offset: this.at, message: "This is not JSON." };
  }

  private fail(message: string, at = this.at): never {
    throw new Wrong(at, message);
  }

  private space(): void {
    while (/[ \t\n\r]/.test(this.text[this.at] ?? "")) this.at++;
  }

  private value(): void {
    if (++this.depth > 2000) this.fail("Too deep.");
    const char = this.text[this.at] ?? "";
    if (char === "{") this.members();
    else if (char === "[") this.items();
    else if (char === '"') this.string();
    else if (/[-\d]/.test(char)) this.number();
    else this.word(char);
    this.depth--;
  }

  private word(char: string): void {
    const word = /^[A-Za-z_]\w*/.exec(this.text.slice(this.at, this.at + 40))?.[0] ?? "";
    if (["true", "false", "null"].includes(word)) this.at += word.length;
    else if (char === "") this.fail("It ends too early.");
    else if (char === "'") this.fail('Use " for texts.');
    else if (["True", "False", "None"].includes(word)) this.fail(`In JSON it is ${word === "None" ? "null" : word.toLowerCase()}.`);
    else if (word) this.fail(`${word}: texts need quotes.`);
    else this.fail("A value is wanted here.");
  }

  private number(): void {
    const match = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/.exec(this.text.slice(this.at, this.at + 5000));
    if (!match) this.fail("This is no number.");
    this.at += match[0].length;
    if (/[\w.]/.test(this.text[this.at] ?? "")) this.fail("This is no number.");
  }

  private string(): void {
    const from = this.at++;
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined) this.fail("This text is never closed.", from);
      if (char === '"') break;
      if (char < " ") this.fail(char === "\n" ? "A line ends inside a text: write \\n." : "A control character: write it as \\u….");
      if (char === "\\" && !/^\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/.test(this.text.slice(this.at, this.at + 6))) this.fail("After \\ comes one of \" \\ / b f n r t u.");
      this.at += char === "\\" ? 2 : 1;
    }
    this.at++;
  }

  private members(): void {
    this.at++;
    this.space();
    if (this.text[this.at] === "}") return void this.at++;
    for (;;) {
      this.space();
      if (this.text[this.at] !== '"') this.fail(this.text[this.at] === "}" ? "No comma before }." : this.at >= this.text.length ? "It ends too early." : 'A name in " is wanted.');
      this.string();
      this.space();
      if (this.text[this.at] !== ":") this.fail("A colon is missing.");
      this.at++;
      this.space();
      this.value();
      if (this.ends("}")) return;
    }
  }

  private items(): void {
    this.at++;
    this.space();
    if (this.text[this.at] === "]") return void this.at++;
    for (;;) {
      this.space();
      if (this.text[this.at] === "]") this.fail("No comma before ].");
      this.value();
      if (this.ends("]")) return;
    }
  }

  private ends(close: string): boolean {
    this.space();
    const char = this.text[this.at];
    if (char === close) return Boolean(++this.at);
    if (char !== ",") this.fail(char === undefined ? `It ends too early: ${close} is missing.` : "A comma is missing.");
    this.at++;
    return false;
  }
}
