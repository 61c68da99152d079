/** A request of this page, as a line for a shell. */

import { type Json, stringify } from "./exact";

/** A text as a shell takes it for one word, and for nothing else. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The line that reads an address, or sends a body to it. */
export function curl(address: string, body?: unknown): string {
  if (body === undefined) return `curl ${quoted(address)}`;
  return `curl ${quoted(address)} \\\n  -H 'content-type: application/json' -H 'x-oxcart: 1' \\\n  -d ${quoted(stringify(body as Json))}`;
}
