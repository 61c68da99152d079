/** What was recorded, and clocks of other zones. */

import { describe, expect, it } from "vitest";

import type { NameStats, Spread, StatsPoint } from "../shapes";
import { byQueue, percentiles, sorted, sumOf } from "./stats";
import { differ, inZone } from "./zones";

const spread = (count: number, p95: number | null): Spread => ({ count, p50: p95 === null ? null : p95 / 2, p95, p99: p95 });
const point = (completed: number, failed: number, p95: number | null): StatsPoint => ({ at: 0, completed, failed, retried: 1, run: spread(completed + failed, p95), wait: spread(0, null) });
const name = (queue: string, text: string, completed: number, failed: number, p95: number | null): NameStats => ({ queue, name: text, completed, failed, retried: 0, run: spread(completed + failed, p95), wait: spread(0, null) });

describe("what was recorded", () => {
  it("adds up", () => expect(sumOf([point(3, 1, 5), point(7, 0, 5)])).toEqual({ completed: 10, failed: 1, retried: 2, busiest: 7 }));
  it("is sure only with enough jobs behind it, and never below what a scale of tens shows", () => {
    const points = [point(30, 0, 400), point(5, 0, 900), point(0, 0, null), point(40, 0, 0)];
    expect(percentiles(points, "run", "p95")).toEqual({ all: [400, 900, null, 1], sure: [400, null, null, 1] });
  });
  it("is told by queue, the busiest first", () => {
    const rows = byQueue([name("a", "x", 1, 0, 1), name("b", "x", 5, 5, 1), name("a", "y", 2, 1, 1)]);
    expect(rows.map((row) => [row.queue, row.completed, row.failed, row.names])).toEqual([["b", 5, 5, 1], ["a", 3, 1, 2]]);
  });
  it("is sorted as it was asked for", () => {
    const rows = [name("a", "x", 100, 1, 5), name("a", "b", 1, 1, 50), name("a", "c", 7, 0, null)];
    const order = (key: Parameters<typeof sorted>[1]) => sorted(rows, key).map((row) => row.name).join("");
    expect([order("name"), order("completed"), order("failed"), order("share"), order("run")]).toEqual(["bcx", "xcb", "xbc", "bxc", "bxc"]);
  });
});

describe("clocks of other zones", () => {
  const NOON = Date.parse("2026-12-01T12:00:00Z");
  it("tell their own time", () => {
    expect(inZone(NOON, "America/New_York")).toBe("Tue 1 Dec, 07:00");
    expect(inZone(NOON, "Mars/Olympus")).toBeNull();
    expect(inZone(Number.NaN, "UTC")).toBeNull();
  });
  it("differ only if they show another time", () => {
    expect(differ("Europe/London", "UTC", [NOON])).toBe(false);
    expect(differ("Europe/London", "UTC", [NOON, Date.parse("2026-07-01T12:00:00Z")])).toBe(true);
    expect(differ("Mars/Olympus", "UTC", [NOON])).toBe(false);
  });
});
