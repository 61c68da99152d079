/** Taking back: what was done, by doing the opposite; a removal, by not having done it yet. */

import { signal } from "@preact/signals";

import { ApiError, part, post, refreshAll } from "./api";
import { show, toast, UNDO } from "./components/Toast";
import { said } from "./forms";
import { clip, visible } from "./lib/format";
import type { Done } from "./shapes";
import { perform } from "./ui";

/** Do something on the server and offer to take it back; null if it was refused. */
export async function performUndoably(action: () => Promise<Done>, undo: (() => Promise<Done>) | null): Promise<Done | null> {
  const done = await perform(action, { done: () => "" });
  if (done) toast(done.text, { kind: "good", ...(undo ? { action: { text: UNDO, run: () => void perform(undo) } } : {}) });
  return done;
}

// --------------------------------------------------------------------------------------------- removing a little later

/** For how long a removal can be taken back. */
export const GRACE_MS = 6_000;

/** For how long what is removed stays faded: until the list has come without it. */
const SETTLED_MS = 4_000;

interface Job {
  queue: string;
  id: string;
  name: string;
}

/** Jobs that are on their way out, by `keyOf`: their rows are faded. */
export const leaving = signal<ReadonlySet<string>>(new Set());

const hearers = new Set<(key: string) => void>();

/** Hear which jobs are removed for good, by `keyOf`: lists that are not asked for anew have to let them go. */
export function onRemoved(run: (key: string) => void): () => void {
  hearers.add(run);
  return () => hearers.delete(run);
}

/** Those of them that the server has not heard of yet, with how their message is taken away. */
const pending = new Map<string, { job: Job; close: () => void }>();

export function keyOf(queue: string, id: string): string {
  return `${queue}\n${id}`;
}

export function isLeaving(queue: string, id: string): boolean {
  return leaving.value.has(keyOf(queue, id));
}

/** Remove a job, but not before there was time to think better of it. */
export function removeLater(job: Job): void {
  const key = keyOf(job.queue, job.id);
  if (leaving.value.has(key)) return;
  mark(key, true);
  const close = show(`${nameOf(job)} is removed.`, {
    ms: GRACE_MS,
    action: { text: UNDO, run: () => keep(key) },
    gone: () => void send(key),
  });
  pending.set(key, { job, close });
}

/** Take a removal back; nothing was sent. */
export function keep(key: string): void {
  const found = pending.get(key);
  pending.delete(key);
  mark(key, false);
  found?.close();
}

async function send(key: string, keepalive = false): Promise<void> {
  const found = pending.get(key);
  if (!pending.delete(key) || !found) return;
  const { job } = found;
  try {
    await post<Done>(`/queues/${part(job.queue)}/job/remove`, { id: job.id }, { keepalive });
    over(key);
  } catch (error) {
    // Somebody else was quicker: then it is as it should be.
    if (error instanceof ApiError && error.status === 404) over(key);
    else {
      mark(key, false);
      refused(job, error);
    }
  }
  refreshAll();
}

function over(key: string): void {
  for (const hear of hearers) hear(key);
  window.setTimeout(() => mark(key, false), SETTLED_MS);
}

/** It is still there, and whoever thought otherwise has to hear of it. */
function refused(job: Job, error: unknown): void {
  toast(`${nameOf(job)} was not removed. ${said(error)}`, { kind: "bad", action: { text: "Try again", run: () => void again(job) } });
}

async function again(job: Job): Promise<void> {
  const key = keyOf(job.queue, job.id);
  mark(key, true);
  pending.set(key, { job, close: () => undefined });
  await send(key);
}

function mark(key: string, out: boolean): void {
  const now = new Set(leaving.value);
  if (out) now.add(key);
  else now.delete(key);
  leaving.value = now;
}

function nameOf(job: Job): string {
  return `${clip(visible(job.name || "Job"), 40)} ${clip(visible(job.id), 40)}`;
}

/** The page is being left: what was to be removed is removed now, or never. */
function flush(): void {
  for (const [key, { close }] of [...pending]) {
    void send(key, true);
    close();
  }
}

window.addEventListener("pagehide", flush);
document.addEventListener("freeze", flush);
