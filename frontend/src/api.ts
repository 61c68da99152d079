/** Talking with the server: one function to read, one to write, and a hook that keeps what it read. */

import { computed, signal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import { config } from "./config";
import { type Json, parse, stringify } from "./lib/exact";
import { connected, held, onGreeting, onTick, redisAway, visible } from "./live";
import type { Problem } from "./shapes";

const ROOT = `${config.base}/api/v1`;

/** The whole address of a path of the API, for links and for programs elsewhere. */
export function address(path: string): string {
  return window.location.origin + ROOT + path;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    message: string,
    readonly id?: string,
  ) {
    super(message);
  }
}

/** Milliseconds that the server's clock is ahead of ours. */
let ahead = 0;

export function serverNow(): number {
  return Date.now() + ahead;
}

/** A path with its query; what is undefined, null or empty is left out. */
export function url(path: string, query: Record<string, unknown> = {}): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") words.set(name, String(value));
  }
  const text = words.toString();
  return text ? `${path}?${text}` : path;
}

export const part = encodeURIComponent;

/** Why what is shown is old, and of when it is. */
export interface Old {
  error: ApiError;
  since: number;
}

/** Whether Redis (or the server) was away at the last try; null if all is well. The shell shows it. */
export const away = signal<Old | null>(null);

/** When an answer last came; by the server's clock. */
let answered = Date.now();

async function call<T>(path: string, init?: RequestInit): Promise<T> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(ROOT + path, { credentials: "same-origin", ...init });
    text = await response.text();
  } catch {
    // Who stops asking hears nothing: that says nothing of the server.
    if (init?.signal?.aborted) throw new ApiError(0, "stopped", "Nobody waits for this any more.");
    throw gone(new ApiError(0, "offline", "The server does not answer."));
  }
  let body: unknown;
  try {
    body = parse(text);
  } catch {
    // What stands before the server speaks for it.
    if (response.status >= 502 && response.status <= 504) throw gone(new ApiError(0, "offline", "The server does not answer."));
    // A log-in page, most likely.
    if (response.redirected) throw new ApiError(401, "unauthorized", "Another page answers in place of the dashboard. You may have to log in again.");
    throw new ApiError(response.status, "broken", `The server answered ${response.status} without JSON. Is the dashboard mounted at ${config.base || "/"}?`);
  }
  if (!response.ok) {
    const problem = body as Partial<Problem>;
    const error = new ApiError(response.status, problem.error ?? "broken", problem.message ?? "Something went wrong.", problem.id);
    if (error.error === "redis_away") gone(error);
    else if (away.value?.error.error === "offline") away.value = null;
    throw error;
  }
  const now = (body as { now?: unknown }).now;
  if (typeof now === "number") ahead = now - Date.now();
  answered = serverNow();
  if (away.value) away.value = null;
  return body as T;
}

function gone(error: ApiError): ApiError {
  away.value = { error, since: answered };
  return error;
}

export function get<T>(path: string, signalled?: AbortSignal): Promise<T> {
  return call<T>(path, signalled ? { signal: signalled } : undefined);
}

/** `keepalive` lets it reach the server although the page is being left. */
export function post<T>(path: string, body: object = {}, options: { keepalive?: boolean } = {}): Promise<T> {
  return call<T>(path, {
    method: "POST",
    ...options,
    headers: { "content-type": "application/json", "x-oxcart": "1" },
    // Not JSON.stringify: numbers that a float can't hold stay as they were.
    body: stringify(body as Json),
  });
}

// ------------------------------------------------------------------------------------------------- what was read

interface Kept {
  data: Signal<unknown>;
  error: Signal<ApiError | null>;
  at: number;
  /** The request under way, so that two who ask get one answer. */
  asking: Promise<void> | null;
}

const kept = new Map<string, Kept>();
const MOST_KEPT = 60;
const users = new Set<{ path: string; again: () => void }>();

/** What is shown although newer was refused, by path: each page would else stand as if all were well. */
const failing = signal<ReadonlyMap<string, Old>>(new Map());

/** One of those that the page in sight shows. What is away, or not there any more, is told of elsewhere. */
export const refused = computed<Old | null>(() => [...failing.value.values()][0] ?? null);

function mark(path: string, why: Old | null): void {
  if (!why && !failing.value.has(path)) return;
  const now = new Map(failing.value);
  if (why) now.set(path, why);
  else now.delete(path);
  failing.value = now;
}

function isUsed(path: string): boolean {
  return [...users].some((user) => user.path === path);
}

function entry(path: string): Kept {
  const found = kept.get(path);
  if (found) {
    kept.delete(path);
    kept.set(path, found);
    return found;
  }
  const made: Kept = { data: signal(undefined), error: signal(null), at: 0, asking: null };
  kept.set(path, made);
  for (const old of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    if (old !== path && !isUsed(old)) kept.delete(old);
  }
  return made;
}

function load(path: string): Promise<void> {
  const mine = entry(path);
  mine.asking ??= get<unknown>(path)
    .then((data) => {
      mine.data.value = data;
      mine.error.value = null;
      mine.at = serverNow();
      mark(path, null);
    })
    .catch((problem: unknown) => {
      const error = problem instanceof ApiError ? problem : new ApiError(0, "broken", String(problem));
      mine.error.value = error;
      const told = error.status === 404 || error.error === "offline" || error.error === "redis_away";
      mark(path, mine.at && !told && isUsed(path) ? { error, since: mine.at } : null);
    })
    .finally(() => {
      mine.asking = null;
    });
  return mine.asking;
}

/** Ask everything on this page again: after something was changed. What is under way may have been read before that. */
export function refreshAll(): void {
  for (const user of users) {
    const before = kept.get(user.path)?.asking;
    if (before) void before.then(user.again);
    else user.again();
  }
}

let greeted = false;
onGreeting(() => {
  // The first greeting comes with the page, which has just asked for all it needs.
  if (greeted && !held.value) refreshAll();
  greeted = true;
});
redisAway.subscribe((gone) => {
  if (gone) away.value = { error: new ApiError(503, "redis_away", ""), since: answered };
  else away.value = null;
});

export interface Api<T> {
  data: T | undefined;
  error: ApiError | null;
  loading: boolean;
  at: number;
  refresh: () => void;
}

const SOONEST_MS = 1500;

/** What the server says at a path; it stays while newer is on its way. */
export function useApi<T>(path: string | null, options: { live?: string; every?: number } = {}): Api<T> {
  const { live, every } = options;
  const mine = useMemo(() => (path === null ? null : entry(path)), [path]);

  useEffect(() => {
    if (path === null) return undefined;
    let last = 0;
    let later: number | undefined;
    /** Something has happened while nobody looked, or the list stood still. */
    let missed = false;
    const again = () => {
      window.clearTimeout(later);
      later = undefined;
      missed = false;
      last = Date.now();
      void load(path);
    };
    const soon = () => {
      if (later !== undefined) return;
      missed = held.value || !visible.value;
      if (missed) return;
      later = window.setTimeout(
        () => {
          later = undefined;
          missed = held.value || !visible.value;
          if (!missed) again();
        },
        Math.max(0, last + SOONEST_MS - Date.now()),
      );
    };
    const user = { path, again };
    users.add(user);
    again();
    const stop = onTick((names) => {
      if (live === "*" ? names.size > 0 : live !== undefined && names.has(live)) soon();
    });
    const timer = window.setInterval(() => {
      const pause = every ?? (connected.value === "live" && live !== undefined ? 30_000 : 5_000);
      if (!held.value && visible.value && (missed || (pause > 0 && Date.now() - last >= pause))) again();
    }, 1000);
    const back = visible.subscribe((seen) => {
      if (seen && last > 0 && Date.now() - last > 5_000 && !held.value && every !== 0) again();
    });
    return () => {
      users.delete(user);
      if (!isUsed(path)) mark(path, null);
      window.clearTimeout(later);
      window.clearInterval(timer);
      stop();
      back();
    };
  }, [path, live, every]);

  const data = mine?.data.value as T | undefined;
  const error = mine?.error.value ?? null;
  return {
    data,
    error,
    loading: path !== null && data === undefined && error === null,
    at: mine?.at ?? 0,
    refresh: () => path !== null && void load(path),
  };
}
