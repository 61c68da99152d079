/** What happens in the queues, as the server pushes it: one stream for the whole page, or polling where there is none. */

import { signal } from "@preact/signals";

import { config } from "./config";
import type { Counts, Tick, TickQueue } from "./shapes";

/** How the page hears of news: pushed, by asking, or not at all. */
export const connected = signal<"live" | "polling" | "lost">("polling");

/** Whether anybody can see the page. Hidden pages ask for nothing. */
export const visible = signal(!document.hidden);

/** Whether lists stand still, since rows of them are selected. */
export const held = signal(false);

/** The newest numbers of each queue, with the time they are of. */
export const ticks = signal<ReadonlyMap<string, TickQueue & { now: number }>>(new Map());

/** The numbers of a queue: as pushed, if that is newer than what was asked for. */
export function freshest<T extends { name: string; counts: Counts; paused: boolean }>(row: T, now: number): T {
  const tick = ticks.value.get(row.name);
  return tick && tick.now > now ? { ...row, counts: tick.counts, paused: tick.paused } : row;
}

/** The time each second, for ages; by our clock. */
export const now = signal(Date.now());

/** Whether the server says that Redis is away. */
export const redisAway = signal(false);

/** After the stream has begun (again), what was missed has to be asked for. */
let greet: () => void = () => undefined;

export function onGreeting(run: () => void): void {
  greet = run;
}

type Listener = (names: ReadonlySet<string>, tick: Tick) => void;
const listeners = new Set<Listener>();

export function onTick(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let source: EventSource | null = null;
let leaving: number | undefined;

/** How long a hidden page stays connected: going to another tab and back should cost nothing. */
const PATIENCE_MS = 20_000;

export function startLive(): void {
  open();
  window.setInterval(() => {
    if (visible.value) now.value = Date.now();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    visible.value = !document.hidden;
    window.clearTimeout(leaving);
    if (document.hidden) leaving = window.setTimeout(close, PATIENCE_MS);
    else open();
  });
}

function open(): void {
  if (source || !config.live || typeof EventSource === "undefined") return;
  const mine = new EventSource(`${config.base}/api/v1/live`);
  source = mine;
  mine.addEventListener("open", () => {
    connected.value = "live";
  });
  mine.addEventListener("tick", (event) => heard(JSON.parse((event as MessageEvent<string>).data) as Tick));
  mine.addEventListener("hello", () => greet());
  mine.addEventListener("away", () => (redisAway.value = true));
  mine.addEventListener("back", () => {
    redisAway.value = false;
    greet();
  });
  mine.addEventListener("error", () => {
    // The browser tries again by itself, unless the server said that there is no stream.
    connected.value = "polling";
    if (mine.readyState === EventSource.CLOSED) {
      close();
      window.setTimeout(() => visible.value && open(), 15_000);
    }
  });
}

function close(): void {
  source?.close();
  source = null;
  ticks.value = new Map();
  redisAway.value = false;
  connected.value = "polling";
}

function heard(tick: Tick): void {
  const known = new Map(ticks.value);
  for (const queue of tick.queues) known.set(queue.name, { ...queue, now: tick.now });
  ticks.value = known;
  const names = new Set(tick.queues.map((queue) => queue.name));
  for (const listener of listeners) listener(names, tick);
}
