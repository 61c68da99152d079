/** Numbers, texts, times, filters and exact JSON, as people read them. */

import { describe, expect, it } from "vitest";
import { Exact, flaw, parse as parseJson, stringify } from "./exact";
import * as filter from "./filter";
import { bytes, clip, compact, firstLine, link, middle, num, percent, pieces, plural, visible } from "./format";
import { ago, exact, fieldTime, readDuration, readMoment, span, when, writeDuration } from "./time";

const NOW = Date.UTC(2026, 10, 24, 12, 0, 0);

describe("numbers", () => {
  it("groups digits", () => expect(num(94137)).toBe("94,137"));
  it("shortens without rounding up", () => {
    expect([0, 9999, 94137, 150000, 999_999, 1_000_000, 1_250_000_000].map(compact)).toEqual(["0", "9,999", "94.1k", "150k", "999k", "1M", "1.2B"]);
  });
  it("counts things", () => expect([plural(1, "job"), plural(12431, "job"), plural(2, "entry", "entries")]).toEqual(["1 job", "12,431 jobs", "2 entries"]));
  it("says sizes", () => expect([0, 1023, 1024, 125224402, 25275000000].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KB", "119 MB", "23.5 GB"]));
  it("never says 100 % of less", () => {
    expect([percent(0, 5), percent(5, 5), percent(99_999, 100_000), percent(1, 100_000), percent(1, 2), percent(1, 0)]).toEqual(["0 %", "100 %", "99.9 %", "0.1 %", "50 %", "0 %"]);
  });
});

describe("texts", () => {
  it("cuts ids in the middle", () => expect(middle("e7b8b658-155a-45c4-9db8-2f0dcc1e35fb", 16)).toBe("e7b8b658…c1e35fb"));
  it("does not cut an emoji in half", () => expect(clip("😀😀😀😀", 3)).toBe("😀😀…"));
  it("takes the first line that says something", () => expect(firstLine("\n\n  boom \r\nat x")).toBe("boom"));
  it("shows what would turn or hide text", () => {
    expect(visible("a\u202eb\u0000c\ud800")).toBe("a[U+202E]b[U+0000]c[U+D800]");
    expect(pieces("a\u202e")[1]).toEqual({ text: "U+202E", mark: "U+202E right-to-left override" });
  });
  it("leaves emoji families, letters and, if asked, lines alone", () => {
    expect(pieces("👩‍👩‍👧 žluť العربية")).toEqual([{ text: "👩‍👩‍👧 žluť العربية" }]);
    expect(pieces("a\nb", true)).toEqual([{ text: "a\nb" }]);
    expect(visible("a\nb")).toBe("a[\\n]b");
  });
  it("links only what is an address of the web", () => {
    expect(link("https://example.com/a?b=1")).toBe("https://example.com/a?b=1");
    for (const bad of ["javascript:alert(1)", " https://x.y", "https://x.y/<b>", "data:text/html,x", "https://x.y/\u202e", "https://me:pw@x.y/", "http://"]) expect(link(bad)).toBeNull();
  });
});

describe("times", () => {
  it("says lengths", () => {
    expect([0, 69, 999, 1400, 2000, 59_960, 123_000, 11_520_000, 2 * 86_400_000 + 3_600_000].map(span)).toEqual(["0 ms", "69 ms", "999 ms", "1.4 s", "2 s", "59.9 s", "2 m 03 s", "3 h 12 m", "2 d 1 h"]);
  });
  it("says ages", () => expect([-120_000, 14 * 60_000, 400, -3 * 86_400_000].map((by) => ago(NOW + by, NOW))).toEqual(["2 m ago", "in 14 m", "now", "3 d ago"]));
  it("says exactly when", () => expect(exact(NOW + 12, "utc")).toMatch(/24 Nov 2026.*12:00:00\.012.*UTC/));
  it("says the day if it is not today", () => {
    expect(when(NOW + 60_000, NOW, "utc")).toBe("12:01:00");
    expect(when(NOW + 13 * 3_600_000, NOW, "utc")).toMatch(/25 Nov,? 01:00/);
    expect(when(NOW - 400 * 86_400_000, NOW, "utc")).toMatch(/2025/);
  });
  it("survives what is no time", () => expect(exact(Number.NaN)).toBe("not a time"));
  it("reads lengths and writes them back", () => {
    expect([readDuration("90"), readDuration("5s"), readDuration("1h 30m"), readDuration("1.5h"), readDuration("x"), readDuration("")]).toEqual([90_000, 5000, 5_400_000, 5_400_000, null, null]);
    for (const ms of [1, 1500, 90_000, 86_461_000]) expect(readDuration(writeDuration(ms))).toBe(ms);
  });
  it("reads moments", () => {
    expect(readMoment("-1h", NOW)).toBe(NOW - 3_600_000);
    expect(readMoment("2026-11-24T11:00Z", NOW)).toBe(NOW - 3_600_000);
    expect(readMoment("1764072000000", NOW)).toBe(1764072000000);
    expect(readMoment("yesterday-ish", NOW)).toBeNull();
    expect(readMoment("2026-11-24 18:00", NOW, "utc")).toBe(Date.UTC(2026, 10, 24, 18));
    expect(readMoment("2026-11", NOW, "utc")).toBe(Date.UTC(2026, 10, 1));
    expect(readMoment("2026-11", NOW)).toBe(new Date(2026, 10, 1).getTime());
    expect(readMoment("yesterday", NOW, "utc")).toBe(Math.floor(NOW / 86_400_000 - 1) * 86_400_000);
    for (const zone of ["utc", "local"] as const) expect(readMoment(fieldTime(NOW + 1000, zone), NOW, zone)).toBe(NOW + 1000);
  });
});

describe("filters", () => {
  it("reads keys, quotes and words", () => {
    expect(filter.parse('name:invoice error:"timed out" path:user.id=42 path:a=1 from:-1h big red')).toEqual({ name: "invoice", error: "timed out", path: ["user.id=42", "a=1"], from: "-1h", text: "big red" });
  });
  it("takes what it doesn't know for words", () => expect(filter.parse("http://x.y foo:bar a=b")).toEqual({ text: "http://x.y foo:bar a=b" }));
  it("forgives an open quote", () => expect(filter.parse('error:"timed ou')).toEqual({ error: "timed ou" }));
  it("writes what it reads", () => {
    for (const text of ['name:"a \\"b\\" c" x', "id:7", "from:-1h to:-10m words here", 'path:user.name="x y"']) {
      const once = filter.parse(text);
      expect(filter.parse(filter.format(once))).toEqual(once);
    }
    expect(filter.parse(filter.format({ text: "name:x" }))).toEqual({ text: "name:x" });
  });
  it("makes times exact only when asking", () => expect(filter.toQuery(filter.parse("from:-1h x"), NOW)).toEqual({ q: "x", from: String(NOW - 3_600_000) }));
  it("asks for a path by its place and its value", () => expect(filter.toQuery(filter.parse("path:user.id=a=b name:x"), NOW)).toEqual({ q: "a=b", path: "user.id", name: "x" }));
  it("says what is wrong", () => {
    expect(filter.problem({ path: ["a=1"], text: "x" }, NOW)).toContain("alone");
    expect(filter.problem({ from: "soon" }, NOW)).toContain("soon");
    expect(filter.problem({ from: "-1h", to: "-2h" }, NOW)).toContain("later");
    expect(filter.problem({ path: ["user"] }, NOW)).toContain("user.id=42");
    expect(filter.problem({ text: "x" }, NOW)).toBeNull();
  });
  it("suggests keys that are not there yet", () => expect(filter.suggest("name:x e").map((one) => one.insert)).toEqual(["name:x error:"]));
});

describe("exact JSON", () => {
  it("keeps numbers that a float would change", () => {
    const text = '{"id":9007199254740993,"pi":3.14159265358979323846,"big":1e400,"ok":[1,2.5,1e3,0.1,123456789012345680]}';
    const value = parseJson(text) as Record<string, unknown>;
    expect(value["id"]).toEqual(new Exact("9007199254740993"));
    expect(value["ok"]).toEqual([1, 2.5, 1000, 0.1, 123456789012345680]);
    expect(stringify(value as never)).toContain('"id":9007199254740993,"pi":3.14159265358979323846,"big":1e400');
  });
  it("does not touch digits in texts", () => expect(parseJson('{"a\\"1":"\\"12345678901234567890","b":12345678901234567890}')).toEqual({ 'a"1': '"12345678901234567890', b: new Exact("12345678901234567890") }));
  it("writes like JSON.stringify", () => {
    const value = { a: [1, { b: null }, []], c: {}, "d e": "\u2028<" };
    expect(stringify(value, 2)).toBe(JSON.stringify(value, null, 2));
    expect(stringify(value)).toBe(JSON.stringify(value));
  });
  it("says where it is wrong", () => {
    expect(flaw('{"a": 1}')).toBeNull();
    expect(flaw('{\n  "a": 1,\n}')).toMatchObject({ line: 3, column: 1, message: "No comma before }." });
    expect(flaw("{'a': 1}")).toMatchObject({ line: 1, column: 2 });
    expect(flaw('{"a": True}')?.message).toContain("true");
    expect(flaw('{"a" 1}')?.message).toContain("colon");
    expect(flaw('[1 2]')?.message).toContain("comma");
    expect(flaw('["x')).toMatchObject({ column: 2, message: "This text is never closed." });
    expect(flaw("")?.message).toBe("It is empty.");
    expect(flaw('{"a": 01}')?.message).toContain("number");
    expect(flaw('[1,]')?.message).toBe("No comma before ].");
  });
  it("reads a megabyte", () => {
    const text = JSON.stringify({ a: "\\\"x".repeat(300_000), n: [1, 2] }).replace("[1,", "[12345678901234567890,");
    expect((parseJson(text) as { n: unknown[] }).n[0]).toBeInstanceOf(Exact);
  });
});
