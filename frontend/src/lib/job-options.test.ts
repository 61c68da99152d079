/** The options of a job: read from a form, and what a server says of them. */

import { describe, expect, it } from "vitest";

import { fieldOf, joined, kept, NO_OPTIONS, readKept, split } from "./job-options";

describe("options of a job", () => {
  it("come back from their fields as they were", () => {
    for (const options of [
      {},
      { delay: 90_000, priority: 3, attempts: 5 },
      { backoff: { type: "exponential", delay: 1500 }, attempts: 3 },
      { backoff: { type: "mine" } },
      { backoff: { type: "fixed", delay: 1000, jitter: 0.5 } },
      { removeOnComplete: true, removeOnFail: false },
      { removeOnComplete: 100, removeOnFail: { age: 604_800 } },
      { removeOnFail: { count: 10, age: 90 } },
      { removeOnComplete: { count: 5, age: 3600, limit: 10 } },
      { lifo: true, keepLogs: 5, deduplication: { id: "x" } },
    ]) {
      const { usual, rest } = split(options);
      const { options: again, flaws } = joined(usual, rest);
      expect(flaws).toEqual({});
      expect(again).toEqual(options);
    }
  });
  it("leave out what belongs to one job alone", () => expect(split({ jobId: "7", parent: {}, repeatJobKey: "r", attempts: 0, delay: 0 })).toEqual({ usual: NO_OPTIONS, rest: {} }));
  it("that no field can show stay JSON", () => expect(split({ delay: "soon", priority: 1.5, removeOnFail: { count: -1 }, backoff: null }).rest).toEqual({ delay: "soon", priority: 1.5, removeOnFail: { count: -1 }, backoff: null }));
  it("say what is wrong in which field", () => {
    expect(joined({ ...NO_OPTIONS, delay: "soon", priority: "x", attempts: "1.5", done: "many", backoff: "fixed", pause: "a", jitter: "2" }, undefined).flaws).toEqual({
      delay: "A length of time, such as 30s or 2h.",
      priority: "A whole number.",
      attempts: "A whole number.",
      pause: "A length of time, such as 30s or 2h.",
      jitter: "From 0 to 1.",
      done: "Such as 100, 7d, or none.",
    });
    expect(joined({ ...NO_OPTIONS, priority: "9999999" }, undefined).flaws.priority).toBe("At most 2,097,151.");
    expect(joined({ ...NO_OPTIONS, delay: "1s" }, { delay: 5 }).flaws.rest).toContain("delay");
    expect(joined(NO_OPTIONS, []).flaws.rest).toBe("Options are an object.");
  });
});

describe("how many jobs are kept", () => {
  it("is read as it is written", () => {
    expect(["100", "7d", "100, 7d", "100 or 1h 30m", "none", "ALL"].map(readKept)).toEqual([100, { age: 604_800 }, { count: 100, age: 604_800 }, { count: 100, age: 5400 }, true, false]);
    for (const bad of ["", "some", "-1", "1.5", "10ms", "7x"]) expect(readKept(bad)).toBeNull();
    for (const text of ["100", "7d", "100, 7d", "none", "all", "0"]) expect(kept(readKept(text))).toBe(text);
  });
});

describe("what a server says of options", () => {
  it("is put at its field", () => {
    expect(fieldOf("options.delay: a number of milliseconds")).toEqual({ field: "delay", message: "a number of milliseconds" });
    expect(fieldOf("options.removeOnComplete: an object")?.field).toBe("done");
    expect(fieldOf("Options: 'x' can't be given here")?.field).toBe("rest");
    expect(fieldOf("attempts=0: at least 1")?.message).toBe("at least 1");
    expect(fieldOf("Redis is away")).toBeNull();
  });
});
