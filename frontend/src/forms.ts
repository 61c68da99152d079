/** What forms and questions share: reading what was typed, and sending it. */

import { post } from "./api";
import { type Json, parse } from "./lib/exact";
import type { Done } from "./shapes";

/** What went wrong, in words. */
export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is in an editor, or why it can't be read. */
export function read(text: string): { value?: Json; flaw?: string } {
  try {
    return { value: parse(text) };
  } catch {
    return { flaw: "This is no JSON yet." };
  }
}

/** Send a body in which numbers stay as they were written. */
export function send(path: string, body: Record<string, Json | undefined>): Promise<Done> {
  return post<Done>(path, body);
}

/** Whether a text is empty or a whole number. */
export function whole(text: string): boolean {
  return /^\d{0,9}$/.test(text.trim());
}
