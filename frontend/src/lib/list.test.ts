/** Columns, views, pages, calls for a shell, and differences between texts. */

import { describe, expect, it } from "vitest";

import * as columns from "./columns";
import { curl, quoted } from "./curl";
import { places, words } from "./diff";
import { parse } from "./exact";
import { grouped, prefixOf } from "./groups";
import { pageAt, startOf } from "./pages";
import { areViews, nameFor, viewsOf, withoutView, withView, wordsOf } from "./views";

describe("columns", () => {
  it("are the usual ones unless the address names some", () => {
    expect(columns.chosen(null, "failed")).toEqual(["error", "attempts", "ran", "finished"]);
    expect(columns.chosen("ran,nonsense,ran,error", "failed")).toEqual(["ran", "error"]);
    expect(columns.chosen("nonsense", "failed")).toEqual(columns.usual("failed"));
    for (const state of ["__proto__", "constructor", "toString"]) expect(columns.chosen(null, state)).toEqual(columns.usual("waiting"));
  });
  it("need no words in the address if they are the usual ones", () => {
    expect(columns.written(columns.usual("active"), "active")).toBeNull();
    expect(columns.written(["data"], "active")).toBe("data");
    for (const state of Object.keys(columns.USUAL)) expect(columns.usual(state).every((id) => columns.offered(state).includes(id))).toBe(true);
  });
  it("are turned on and off, but never all off", () => {
    expect(columns.turned(["data"], "added")).toEqual(["data", "added"]);
    expect(columns.turned(["data", "added"], "data")).toEqual(["added"]);
    expect(columns.turned(["data"], "data")).toEqual(["data"]);
  });
  it("change places, but not beyond the ends", () => {
    expect(columns.moved(["a", "b", "c"], "c", -1)).toEqual(["a", "c", "b"]);
    expect(columns.moved(["a", "b"], "a", 1)).toEqual(["b", "a"]);
    expect(columns.moved(["a", "b"], "a", -1)).toEqual(["a", "b"]);
    expect(columns.moved(["a", "b"], "b", 1)).toEqual(["a", "b"]);
  });
});

describe("views", () => {
  const query = new URLSearchParams("start=100&cols=ran&q=error%3Atimed&state=failed&at=3");
  it("are what is seen, not the place in it", () => expect(wordsOf(query)).toBe("state=failed&q=error%3Atimed&cols=ran"));
  it("of the queue come before those of all", () => {
    const views = [
      { name: "b", queue: null, query: "" },
      { name: "c", queue: "email", query: "" },
      { name: "a", queue: null, query: "" },
      { name: "z", queue: "other", query: "" },
    ];
    expect(viewsOf(views, "email").map((view) => view.name)).toEqual(["c", "a", "b"]);
  });
  it("replace one of the same name", () => {
    const one = { name: "slow", queue: "email", query: "state=failed" };
    const two = { name: " slow ", queue: "email", query: "state=active" };
    expect(withView([one], two)).toEqual([{ ...two, name: "slow" }]);
    expect(withView([one], { ...two, queue: null })).toHaveLength(2);
    expect(withView([one], { ...one, name: " " })).toEqual([one]);
    expect(withoutView([one], one)).toEqual([]);
  });
  it("are not taken from a storage that holds something else", () => {
    expect(areViews([{ name: "a", queue: null, query: "" }])).toBe(true);
    for (const bad of [null, {}, [1], [{ name: "a" }], [{ name: "a", queue: 1, query: "" }]]) expect(areViews(bad)).toBe(false);
  });
  it("have a name to begin with", () => expect(nameFor(query, "Failed")).toBe("Failed · error:timed"));
});

describe("pages", () => {
  it("are found by number", () => {
    expect(startOf("1", 1_000_000, 50)).toBe(0);
    expect(startOf("20,000", 1_000_000, 50)).toBe(999_950);
    expect(startOf("99999999", 1_000_000, 50)).toBe(999_950);
    expect(startOf("3", 101, 50)).toBe(100);
  });
  it("are found by how far they are", () => {
    expect(startOf("50%", 1_000_000, 50)).toBe(500_000);
    expect(startOf("0 %", 1000, 50)).toBe(0);
    expect(startOf("100%", 1000, 50)).toBe(950);
    expect(startOf("12.5%", 1000, 50)).toBe(100);
    expect(startOf("12,5%", 1000, 50)).toBe(100);
  });
  it("are not found by anything else", () => {
    for (const bad of ["", "0", "x", "-1", "101%", "%"]) expect(startOf(bad, 1000, 50)).toBeNull();
    expect(startOf("1", 0, 50)).toBeNull();
  });
  it("know where they are", () => expect([pageAt(0, 0, 50), pageAt(100, 101, 50)]).toEqual([{ page: 1, pages: 1 }, { page: 3, pages: 3 }]));
});

describe("calls for a shell", () => {
  it("quote whatever is in an id", () => {
    expect(quoted("abc-1:2")).toBe("abc-1:2");
    expect(quoted("a'; rm -rf /; '")).toBe(`'a'\\''; rm -rf /; '\\'''`);
    expect(quoted("$(x)`y`")).toBe("'$(x)`y`'");
    expect(quoted("")).toBe("''");
  });
  it("send what the page sends", () => {
    expect(curl("http://h/api/v1/overview")).toBe("curl http://h/api/v1/overview");
    expect(curl("http://h/x?id=1", { id: "7" })).toBe(`curl 'http://h/x?id=1' \\\n  -H 'content-type: application/json' -H 'x-oxcart: 1' \\\n  -d '{"id":"7"}'`);
  });
});

describe("differences", () => {
  const shown = (first: string, second: string) => words(first, second).map((part) => ({ both: part.text, first: `[-${part.text}-]`, second: `[+${part.text}+]` })[part.in]).join("");
  it("of texts are marked word by word", () => {
    expect(shown("connect ETIMEDOUT 10.0.0.1:587", "connect ETIMEDOUT 10.0.0.3:587")).toBe("connect ETIMEDOUT 10.0.0.[-1-][+3+]:587");
    expect(shown("same", "same")).toBe("same");
    expect(shown("", "")).toBe("");
    expect(shown("a b", "")).toBe("[-a b-]");
  });
  it("of very long texts are the whole of them", () => expect(words("x ".repeat(3000), "y ".repeat(3000))).toHaveLength(2));
  it("of values are found place by place", () => {
    const { rows } = places({ a: 1, b: { c: [1, 2] }, "d e": "x" }, { a: 1, b: { c: [1, 3, 4] }, f: null });
    expect(rows).toEqual([
      { path: ".a", first: "1", second: "1", same: true },
      { path: ".b.c[0]", first: "1", second: "1", same: true },
      { path: ".b.c[1]", first: "2", second: "3", same: false },
      { path: ".b.c[2]", first: null, second: "4", same: false },
      { path: '["d e"]', first: '"x"', second: null, same: false },
      { path: ".f", first: null, second: "null", same: false },
    ]);
  });
  it("of values of another kind are the whole of them", () => {
    expect(places({ a: [] }, { a: {} }).rows).toEqual([{ path: ".a", first: "[]", second: "{}", same: false }]);
    expect(places(1, { a: 1 }).rows).toEqual([{ path: "", first: "1", second: '{"a":1}', same: false }]);
    expect(places(undefined, undefined).rows).toEqual([{ path: "", first: null, second: null, same: true }]);
  });
  it("see the digits that a float would lose", () => expect(places(parse("9007199254740993"), parse("9007199254740992")).rows[0]?.same).toBe(false));
  it("are not fooled by names that objects have anyway", () => expect(places({ a: 1 }, parse('{"__proto__": {"a": 1}}')).rows.map((row) => row.path)).toEqual([".a", ".__proto__.a"]));
  it("end somewhere", () => {
    const { rows, cut } = places(Array.from({ length: 5000 }, (_, at) => at), []);
    expect([rows.length, cut]).toEqual([2000, true]);
  });
});

describe("groups of queues", () => {
  it("are of names with the same beginning", () => {
    expect(["billing.invoices", "billing_x", "a/b", "email", "-x", "x-"].map(prefixOf)).toEqual(["billing", "billing", "a", null, null, null]);
    const names = ["email", "billing.a", "solo-x", "billing.b"].map((name) => ({ name }));
    expect(grouped(names).map((group) => [group.prefix, group.rows.map((row) => row.name)])).toEqual([
      [null, ["email"]],
      ["billing", ["billing.a", "billing.b"]],
      [null, ["solo-x"]],
    ]);
  });
});
