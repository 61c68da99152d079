/** Forms from JSON Schemas: their first data, checks, and what a server says of them. */

import { describe, expect, it } from "vitest";

import { Exact, type Json, parse, stringify } from "./exact";
import { beginning, blank, check, fits, isDraft, kindOf, numberOf, placeOf, pointedAt, put, resolve, type Schema, variantOf } from "./schema";

const ORDER: Schema = {
  type: "object",
  required: ["to", "lines"],
  additionalProperties: false,
  $defs: {
    Line: { type: "object", required: ["sku"], properties: { sku: { type: "string", pattern: "^[A-Z]-\\d+$" }, quantity: { type: "integer", minimum: 1, default: 1 } } },
    Card: { title: "Card", type: "object", required: ["kind", "number"], properties: { kind: { const: "card" }, number: { type: "string" } } },
    Cash: { title: "Cash", type: "object", required: ["kind"], properties: { kind: { const: "cash" } } },
    Tree: { type: "object", required: ["name"], properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#/$defs/Tree" } } } },
    Loop: { $ref: "#/$defs/Loop" },
  },
  properties: {
    to: { type: "string", format: "email", minLength: 3 },
    lines: { type: "array", minItems: 1, items: { $ref: "#/$defs/Line" } },
    due: { anyOf: [{ type: "string", format: "date-time" }, { type: "null" }], default: null },
    kind: { enum: ["plain", "html"], default: "html" },
    pay: { oneOf: [{ $ref: "#/$defs/Card" }, { $ref: "#/$defs/Cash" }] },
    total: { type: ["number", "null"], exclusiveMinimum: 0, multipleOf: 0.01 },
    tree: { $ref: "#/$defs/Tree" },
  },
};

const said = (value: Json, schema: unknown = ORDER, whole: Schema = ORDER) => check(value, schema, whole).map((one) => `${placeOf(one.path)}: ${one.message}`);

describe("a schema", () => {
  it("is read through its references", () => expect(resolve({ $ref: "#/$defs/Line", description: "One" }, ORDER).schema).toMatchObject({ required: ["sku"], description: "One" }));
  it("says whether null is among its choices", () => {
    expect(resolve({ anyOf: [{ $ref: "#/$defs/Line" }, { type: "null" }] }, ORDER)).toMatchObject({ nullable: true, schema: { type: "object" } });
    expect(resolve({ type: ["string", "null"] }, ORDER)).toEqual({ nullable: true, schema: { type: "string" } });
    expect(resolve({ type: "string", nullable: true }, ORDER).nullable).toBe(true);
    expect(resolve({ type: "string" }, ORDER).nullable).toBe(false);
  });
  it("is one, if several hold at once", () => {
    const { schema } = resolve({ allOf: [{ $ref: "#/$defs/Line" }, { properties: { note: { type: "string" } }, required: ["note"] }] }, ORDER);
    expect(schema).toMatchObject({ required: ["sku", "note"], properties: { sku: {}, note: {} } });
  });
  it("that goes in a circle ends", () => expect(kindOf(resolve({ $ref: "#/$defs/Loop" }, ORDER).schema)).toBe("json"));
  it("that leads nowhere, or elsewhere, is anything", () => {
    for (const ref of ["#/$defs/None", "https://example.com/x.json", "#/__proto__/x", "#/constructor"]) expect(kindOf(resolve({ $ref: ref }, ORDER).schema)).toBe("json");
  });
  it("says which field suits it", () => {
    const kind = (schema: unknown) => kindOf(resolve(schema, ORDER).schema);
    expect(["to", "lines", "due", "kind", "pay", "total", "tree"].map((name) => kind((ORDER["properties"] as Record<string, unknown>)[name]))).toEqual(["string", "array", "string", "enum", "union", "number", "object"]);
    for (const odd of [{}, true, { type: "object" }, { type: "object", additionalProperties: { type: "string" } }, { type: "array" }, { type: "array", prefixItems: [{}] }, { type: "null" }]) expect(kind(odd)).toBe("json");
  });
});

describe("data of a schema", () => {
  it("begin with the defaults and what has to be there", () => expect(beginning(ORDER, ORDER)).toEqual({ lines: [{ quantity: 1 }], kind: "html" }));
  it("that refer to themselves begin somewhere", () => expect(blank({ $ref: "#/$defs/Tree" }, ORDER)).toEqual({}));
  it("keep what the schema does not know", () => {
    const value = parse('{"id": 9007199254740993, "to": "a@b", "odd": [1.0]}');
    expect(stringify(put(value, ["to"], "c@d"))).toBe('{"id":9007199254740993,"to":"c@d","odd":[1]}');
    expect(stringify(put(value, ["to"], undefined))).toBe('{"id":9007199254740993,"odd":[1]}');
  });
  it("change at deep places, which are made if they are missing", () => {
    expect(put({}, ["a", "b", 0, "c"], 1)).toEqual({ a: { b: [{ c: 1 }] } });
    expect(put({ a: [1, 2, 3] }, ["a", 1], undefined)).toEqual({ a: [1, 3] });
    expect(put({ a: [1] }, ["a", 1], 2)).toEqual({ a: [1, 2] });
  });
  it("do not reach what all objects have", () => {
    const value = put({}, ["__proto__"], { polluted: true });
    expect(stringify(value)).toBe('{"__proto__":{"polluted":true}}');
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(said(parse('{"to": "a@b.c", "lines": [{"sku": "A-1"}], "__proto__": 1}'))).toEqual(["__proto__: This is not known here."]);
  });
  it("have numbers as they were typed", () => {
    expect(["12", "-0.5", "1.0", "1e5", "123456789012345678901"].map((text) => stringify(numberOf(text)))).toEqual(["12", "-0.5", "1.0", "1e5", "123456789012345678901"]);
    expect(["", "-", "1.", "0x1", "1,5", "NaN"].map(numberOf)).toEqual(["", "-", "1.", "0x1", "1,5", "NaN"]);
  });
  it("are not shown by a field that would change them", () => {
    expect(fits("a\r\nb", { type: "string" }, ORDER)).toBe(false);
    expect(fits("12", { type: "integer" }, ORDER)).toBe(false);
    expect(fits("12a", { type: "integer" }, ORDER)).toBe(true);
    expect(fits(null, { type: "string" }, ORDER)).toBe(false);
    expect(fits("red", { enum: ["plain"] }, ORDER)).toBe(false);
    expect(fits([1], { type: "object", properties: { a: {} } }, ORDER)).toBe(false);
  });
  it("with JSON that is not finished keep it as it is", () => {
    const value = put({ a: 1 }, ["b"], new Exact('{"c": [1,'));
    expect(isDraft((value as Record<string, Json>)["b"])).toBe(true);
    expect(stringify(value)).toBe('{"a":1,"b":{"c": [1,}');
    expect(said(value as Json, {}, {})).toEqual([]);
    expect(said(value as Json, { properties: { b: {} } }, {})).toEqual(["b: This is not JSON yet."]);
  });
});

describe("checking", () => {
  it("finds nothing in what is right", () => {
    expect(said({ to: "ada@example.com", lines: [{ sku: "A-1", quantity: 2 }], due: "2026-12-24T18:00:00Z", pay: { kind: "cash" }, total: 19.99, tree: { name: "a", children: [{ name: "b" }] } })).toEqual([]);
    expect(said({ to: "ada@example.com", lines: [{ sku: "A-1" }], due: null, total: null })).toEqual([]);
  });
  it("says what is missing and where", () => expect(said({ lines: [{}] })).toEqual(["to: This is needed.", "lines[0].sku: This is needed."]));
  it("says what is wrong and where", () => {
    expect(said({ to: "ada", lines: [{ sku: "a1", quantity: 0 }], kind: "pdf", total: 0, more: 1 })).toEqual([
      "to: An address such as ada@example.com.",
      "lines[0].sku: Has to fit the pattern ^[A-Z]-\\d+$",
      "lines[0].quantity: At least 1.",
      'kind: One of "plain", "html".',
      "total: More than 0.",
      "more: This is not known here.",
    ]);
    expect(said({ to: "a d@x", lines: [] })).toEqual(["to: An address such as ada@example.com.", "lines: At least 1; these are 0."]);
    expect(said({ to: 7, lines: {}, due: "tomorrow", total: "12a" })).toEqual(["to: A text is wanted.", "lines: A list is wanted.", "due: A date and a time, such as 2026-12-24T18:00:00Z.", "total: A number is wanted, not a text."]);
  });
  it("of a choice tells of what was meant", () => expect(said({ kind: "card" }, { $ref: "#/properties/pay" })).toEqual(["number: This is needed."]));
  it("knows whole numbers, also large ones", () => {
    const whole = (text: string) => said(parse(text), { type: "integer" });
    expect([whole("1.0"), whole("123456789012345678901"), whole("1.5")]).toEqual([[], [], ["A whole number is wanted."].map((text) => `: ${text}`)]);
  });
  it("knows formats", () => {
    const flaw = (format: string, text: string) => said(text, { type: "string", format }).length;
    expect([flaw("uri", "https://a.b/c"), flaw("uri", "a.b"), flaw("date", "2026-02-30"), flaw("date", "2026-02-28"), flaw("date-time", "2026-11-26T10:00:00+02:00"), flaw("date-time", "2026-11-26"), flaw("uuid", "x"), flaw("made-up", "x")]).toEqual([0, 1, 1, 0, 0, 1, 1, 0]);
  });
  it("compares numbers in steps without being fooled by floats", () => expect(said(0.3, { multipleOf: 0.1 })).toEqual([]));
  it("takes a pattern that it can't read for none", () => expect(said("x", { type: "string", pattern: "(?P<x>" })).toEqual([]));
  it("finds a thing that is there twice", () => expect(said([1, { a: 1 }, { a: 1 }], { type: "array", uniqueItems: true })).toEqual([": One of them is there twice."]));
  it("ends, whatever refers to whatever", () => {
    let deep: Json = { name: "x" };
    for (let depth = 0; depth < 500; depth++) deep = { name: "x", children: [deep] };
    expect(said(deep, { $ref: "#/$defs/Tree" })).toEqual([]);
    expect(said({}, { $ref: "#/$defs/Loop" })).toEqual([]);
  });
});

describe("kinds of a choice", () => {
  const pay = resolve({ $ref: "#/properties/pay" }, ORDER).schema;
  it("are found by what is there", () => expect([{ kind: "cash" }, { kind: "card", number: "1" }, { kind: "card" }, 7].map((value) => variantOf(value as Json, pay, ORDER))).toEqual([1, 0, 0, null]));
});

describe("what a server says", () => {
  it("is put at its place", () => {
    expect(pointedAt("Data.lines[0].sku: String should match pattern; data.to: field required; and more.")).toEqual([
      { path: ["lines", 0, "sku"], message: "String should match pattern" },
      { path: ["to"], message: "Field required" },
    ]);
    expect(pointedAt("data: 'to' is a required property")).toEqual([{ path: [], message: "'to' is a required property" }]);
    expect(pointedAt("data['two words'][3]: no")).toEqual([{ path: ["two words", 3], message: "No" }]);
  });
  it("is left where it names no place", () => {
    for (const text of ["options.delay: a number of milliseconds", "Redis is away", "Database: gone", "data"]) expect(pointedAt(text)).toEqual([]);
  });
});
