/** JSON Schema, as far as forms need it: what a place of the data should be, what is wrong with it, and how it begins. */

import { Exact, type Json, stringify } from "./exact";

export type Path = readonly (string | number)[];

/** A schema, or what somebody has registered as one: each word may be anything. */
export type Schema = { readonly [word: string]: unknown };

/** What is wrong, and where. */
export interface Problem {
  path: Path;
  message: string;
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Exact);
}

/** A piece of JSON that is being written and can't be read yet: it stays as it is typed. */
export function isDraft(value: Json | undefined): value is Exact {
  return value instanceof Exact && !JSON_NUMBER.test(value.source);
}

export function isNumber(value: Json | undefined): value is number | Exact {
  return typeof value === "number" || (value instanceof Exact && !isDraft(value));
}

/** The number that a text says, exactly as it is written; the text itself if it says none. */
export function numberOf(text: string): Json {
  const tidy = text.trim();
  if (!JSON_NUMBER.test(tidy)) return text;
  return String(Number(tidy)) === tidy ? Number(tidy) : new Exact(tidy);
}

// ------------------------------------------------------------------------------------------------- reading a schema

/** What `#/$defs/Address` means within the whole schema. */
function pointed(whole: Schema, ref: string): Schema | null {
  if (!ref.startsWith("#")) return null;
  let at: unknown = whole;
  for (const step of ref.slice(1).split("/").slice(1)) {
    const name = decoded(step).replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(at)) at = at[Number(name)];
    else if (isSchema(at) && Object.hasOwn(at, name)) at = at[name];
    else return null;
  }
  return isSchema(at) ? at : null;
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

/** A schema with what it refers to put in, at its own level; `nullable` if null is one of its choices. */
export interface Resolved {
  schema: Schema;
  nullable: boolean;
}

export function resolve(given: unknown, whole: Schema): Resolved {
  let schema = isSchema(given) ? given : {};
  let nullable = false;
  // A schema that refers to itself in a circle means nothing: after some rounds it is taken as it is.
  for (let round = 0; round < 20; round++) {
    const { $ref, allOf, anyOf, oneOf, type, ...rest } = schema as Record<string, unknown>;
    if (typeof $ref === "string") {
      const found = pointed(whole, $ref);
      if (!found) return { schema: withoutKey(schema, "$ref"), nullable };
      schema = { ...found, ...withoutKey(schema, "$ref") };
      continue;
    }
    const all = Array.isArray(allOf) ? allOf.filter(isSchema) : [];
    if (all.length) {
      schema = merged([...all.map((one) => resolve(one, whole).schema), withoutKey(schema, "allOf")]);
      continue;
    }
    const choice = Array.isArray(anyOf) ? "anyOf" : Array.isArray(oneOf) ? "oneOf" : null;
    if (choice) {
      const some = (schema[choice] as unknown[]).filter(isSchema);
      const others = some.filter((one) => !isNull(one));
      if (others.length < some.length) nullable = true;
      if (others.length === 1) {
        schema = { ...others[0], ...withoutKey(schema, choice) };
        continue;
      }
      return { schema: { ...schema, [choice]: others }, nullable };
    }
    if (Array.isArray(type)) {
      if (type.includes("null")) nullable = true;
      const kinds = type.filter((one) => one !== "null");
      if (kinds.length === 1) return { schema: { ...rest, type: kinds[0] }, nullable };
      return { schema: kinds.length ? { ...rest, anyOf: kinds.map((kind) => ({ type: kind })) } : { ...rest, type: "null" }, nullable: false };
    }
    if (schema["nullable"] === true) nullable = true;
    break;
  }
  return { schema, nullable };
}

function isNull(schema: Schema): boolean {
  return schema["type"] === "null" || (schema["const"] === null && Object.hasOwn(schema, "const")) || (Array.isArray(schema["enum"]) && schema["enum"].length === 1 && schema["enum"][0] === null);
}

function withoutKey(schema: Schema, key: string): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => name !== key));
}

/** Several schemas that hold at once, as one: properties and what is required come together. */
function merged(some: readonly Schema[]): Schema {
  const found: Record<string, unknown> = {};
  for (const one of some) {
    for (const [word, value] of Object.entries(one)) {
      if (word === "properties" && isSchema(found[word]) && isSchema(value)) found[word] = { ...found[word], ...value };
      else if (word === "required" && Array.isArray(found[word]) && Array.isArray(value)) found[word] = [...new Set([...(found[word] as unknown[]), ...value])];
      else found[word] = value;
    }
  }
  return found;
}

/** How a place of the data is edited. */
export type Kind = "object" | "array" | "string" | "number" | "boolean" | "enum" | "union" | "json";

export function kindOf(schema: Schema): Kind {
  if (Array.isArray(schema["enum"]) || Object.hasOwn(schema, "const")) return "enum";
  if (Array.isArray(schema["anyOf"]) || Array.isArray(schema["oneOf"])) return properties(schema).length ? "json" : "union";
  switch (schema["type"]) {
    case "string":
    case "boolean":
      return schema["type"];
    case "integer":
    case "number":
      return "number";
    case "array":
      return isSchema(schema["items"]) && !Array.isArray(schema["prefixItems"]) ? "array" : "json";
    case "object":
    case undefined:
      return properties(schema).length ? "object" : "json";
    default:
      return "json";
  }
}

/** The values that a choice offers. */
export function choices(schema: Schema): Json[] {
  return (Array.isArray(schema["enum"]) ? schema["enum"] : [schema["const"]]) as Json[];
}

/** The schemas of a union. */
export function variants(schema: Schema): Schema[] {
  return ((schema["anyOf"] ?? schema["oneOf"]) as unknown[]).filter(isSchema);
}

/** What a variant is called. */
export function variantName(variant: Schema, whole: Schema): string {
  const { schema } = resolve(variant, whole);
  if (typeof schema["title"] === "string") return schema["title"];
  const ref = variant["$ref"];
  if (typeof ref === "string") return ref.split("/").at(-1) ?? ref;
  if (Object.hasOwn(schema, "const")) return stringify(schema["const"] as Json);
  return WANTED[String(schema["type"])]?.replace(/^an? /, "") ?? "something";
}

/** The properties in their order, each with whether it has to be there. */
export function properties(schema: Schema): { name: string; schema: Schema; required: boolean }[] {
  const all = schema["properties"];
  if (!isSchema(all)) return [];
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(all).map(([name, one]) => ({ name, schema: isSchema(one) ? one : {}, required: required.includes(name) }));
}

/** What a place is called: its title, or its name in words. */
export function labelOf(schema: Schema, name: string | number): string {
  if (typeof schema["title"] === "string" && schema["title"].trim()) return schema["title"];
  if (typeof name === "number") return `${name + 1}`;
  return name;
}

// ----------------------------------------------------------------------------------------------------- values in it

/** Whether the field of this kind can show such a value without changing it. */
export function fits(value: Json | undefined, schema: Schema, whole: Schema): boolean {
  if (value === undefined) return true;
  switch (kindOf(schema)) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "string":
      // Fields of text keep lines, but no other control characters.
      return typeof value === "string" && !/[\u0000-\u0008\u000b-\u001f\u007f]/.test(value);
    case "number":
      return isNumber(value) || (typeof value === "string" && !JSON_NUMBER.test(value.trim()) && !/[\n\r]/.test(value));
    case "boolean":
      return typeof value === "boolean";
    case "enum":
      return choices(schema).some((one) => same(one, value));
    case "union":
      return variantOf(value, schema, whole) !== null;
    case "json":
      return true;
  }
}

/** Which of a union's schemas a value is meant for: the first without a problem, else the first whose field can show it. */
export function variantOf(value: Json | undefined, schema: Schema, whole: Schema): number | null {
  const all = variants(schema);
  if (value === undefined) return null;
  const clean = all.findIndex((one) => check(value, one, whole).length === 0);
  if (clean >= 0) return clean;
  const fit = all.findIndex((one) => {
    const { schema: inner, nullable } = resolve(one, whole);
    return kindOf(inner) !== "json" && kindOf(inner) !== "union" && ((value === null && nullable) || fits(value, inner, whole));
  });
  return fit >= 0 ? fit : null;
}

/** How data of this schema begin: with the defaults, and with what has to be there as far as it is known. */
export function beginning(given: unknown, whole: Schema, depth = 0): Json | undefined {
  const { schema } = resolve(given, whole);
  const own = schema["default"];
  if (own !== undefined && own !== null) return own as Json;
  if (Object.hasOwn(schema, "const")) return schema["const"] as Json;
  if (depth > 8) return undefined;
  if (kindOf(schema) === "object") {
    const found: { [key: string]: Json } = {};
    for (const one of properties(schema)) {
      const { schema: inner } = resolve(one.schema, whole);
      const wanted = one.required || (inner["default"] !== undefined && inner["default"] !== null);
      const first = wanted ? beginning(one.schema, whole, depth + 1) : undefined;
      if (first !== undefined) found[one.name] = first;
    }
    return found;
  }
  if (kindOf(schema) === "array") {
    const least = typeof schema["minItems"] === "number" ? Math.min(schema["minItems"], 20) : 0;
    const first = beginning(schema["items"], whole, depth + 1);
    return Array.from({ length: least }, () => first ?? blank(schema["items"], whole));
  }
  return depth > 0 && kindOf(schema) === "boolean" ? false : undefined;
}

/** A value for a place that is added by a button: something of the right kind, to be filled in. */
export function blank(given: unknown, whole: Schema): Json {
  const first = beginning(given, whole);
  if (first !== undefined) return first;
  const { schema } = resolve(given, whole);
  switch (kindOf(schema)) {
    case "boolean":
      return false;
    case "enum":
      return choices(schema)[0] ?? null;
    case "union": {
      const [one] = variants(schema);
      return one ? blank(one, whole) : null;
    }
    case "json":
      return schema["type"] === "array" ? [] : schema["type"] === "object" ? {} : null;
    default:
      return "";
  }
}

/** The value with another one at a place; undefined takes the place away. What is beside it stays. */
export function put(value: Json | undefined, path: Path, next: Json | undefined): Json | undefined {
  const [head, ...rest] = path;
  if (head === undefined) return next;
  if (typeof head === "number") {
    const list = Array.isArray(value) ? [...value] : [];
    const inner = put(list[head], rest, next);
    if (inner === undefined) list.splice(head, 1);
    else list[head] = inner;
    return list;
  }
  const before = isObject(value) ? value : {};
  const inner = put(Object.hasOwn(before, head) ? before[head] : undefined, rest, next);
  if (inner !== undefined && Object.hasOwn(before, head)) return Object.fromEntries(Object.entries(before).map(([key, item]) => [key, key === head ? inner : item]));
  const others = Object.entries(before).filter(([key]) => key !== head);
  return Object.fromEntries(inner === undefined ? others : [...others, [head, inner]]);
}

export function same(one: Json | undefined, other: Json | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((item, index) => same(item, other[index]));
  if (isObject(one) && isObject(other)) {
    const keys = Object.keys(one);
    return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]));
  }
  if (isNumber(one) && isNumber(other)) return String(one) === String(other) || (typeof one === "number" && typeof other === "number" && one === other);
  return one === other;
}

/** A place as people write it: `lines[0].sku`. */
export function placeOf(path: Path): string {
  return path.reduce<string>((text, step) => (typeof step === "number" ? `${text}[${step}]` : /^[\w$-]+$/.test(step) ? `${text ? `${text}.` : ""}${step}` : `${text}[${JSON.stringify(step)}]`), "");
}

// --------------------------------------------------------------------------------------------------------- checking

const WANTED: Record<string, string> = {
  object: "an object",
  array: "a list",
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

const MOST = 100;

/** What is wrong with a value; nothing if it is as the schema says, as far as the schema can be read here. */
export function check(value: Json | undefined, given: unknown, whole: Schema): Problem[] {
  const found: Problem[] = [];
  look(value, given, whole, [], found, 0);
  return found;
}

function look(value: Json | undefined, given: unknown, whole: Schema, path: Path, found: Problem[], depth: number): void {
  if (found.length >= MOST || depth > 60 || value === undefined) return;
  const say = (message: string, at: Path = path) => void (found.length < MOST && found.push({ path: at, message }));
  if (given === false) return say("Nothing may be here.");
  const { schema, nullable } = resolve(given, whole);
  if (isDraft(value)) return say("This is not JSON yet.");
  if (value === null && nullable) return;
  if (Object.hasOwn(schema, "const") && !same(schema["const"] as Json, value)) return say(`Has to be ${stringify(schema["const"] as Json)}.`);
  if (Array.isArray(schema["enum"]) && !(schema["enum"] as Json[]).some((one) => same(one, value))) return say(`One of ${(schema["enum"] as Json[]).slice(0, 12).map((one) => stringify(one)).join(", ")}.`);
  for (const word of ["anyOf", "oneOf"] as const) {
    const some = schema[word];
    if (!Array.isArray(some) || !some.length) continue;
    const tried = some.map((one) => check(value, one, whole));
    if (tried.some((problems) => problems.length === 0)) continue;
    // Of what was meant most likely, what is wrong with it.
    const meant = variantOf(value, schema, whole);
    const best = meant === null ? undefined : tried[meant];
    if (best?.length) for (const { path: inner, message } of best) say(message, [...path, ...inner]);
    else say(nullable ? "None of the kinds that it may be, nor null." : "None of the kinds that it may be.");
    return;
  }
  if (isSchema(schema["not"]) && check(value, schema["not"], whole).length === 0) return say("This is not allowed.");
  const type = schema["type"];
  if (typeof type === "string" && !isOf(value, type)) return say(typeof value === "string" && /number|integer/.test(type) && value.trim() ? `${WANTED[type] ?? type} is wanted, not a text.`.replace(/^./, (first) => first.toUpperCase()) : `${(WANTED[type] ?? type).replace(/^./, (first) => first.toUpperCase())} is wanted.`);
  if (typeof value === "string") text(value, schema, say);
  else if (isNumber(value)) amount(Number(value), schema, say);
  else if (Array.isArray(value)) items(value, schema, whole, path, found, depth, say);
  else if (isObject(value)) members(value, schema, whole, path, found, depth, say);
}

function isOf(value: Json, type: string): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "string":
    case "boolean":
      return typeof value === type;
    case "number":
      return isNumber(value);
    case "integer":
      return isNumber(value) && (value instanceof Exact ? /^-?\d+(?:\.0*)?$/.test(value.source) || Number.isInteger(Number(value)) : Number.isInteger(value));
    case "null":
      return value === null;
    default:
      return true;
  }
}

type Say = (message: string, at?: Path) => void;

function text(value: string, schema: Schema, say: Say): void {
  const length = Array.from(value).length;
  const { minLength, maxLength, pattern, format } = schema as { minLength?: unknown; maxLength?: unknown; pattern?: unknown; format?: unknown };
  if (typeof minLength === "number" && length < minLength) say(minLength === 1 ? "May not be empty." : `At least ${minLength} characters; these are ${length}.`);
  if (typeof maxLength === "number" && length > maxLength) say(`At most ${maxLength} characters; these are ${length}.`);
  if (typeof pattern === "string" && matches(value, pattern) === false) say(`Has to fit the pattern ${pattern}`);
  const flaw = typeof format === "string" ? FORMATS[format]?.(value) : undefined;
  if (flaw) say(flaw);
}

/** Null if the pattern is none that a browser knows. */
function matches(value: string, pattern: string): boolean | null {
  for (const flags of ["u", ""]) {
    try {
      return new RegExp(pattern, flags).test(value.slice(0, 10_000));
    } catch {
      // Perhaps it is one of an older kind.
    }
  }
  return null;
}

const FORMATS: Record<string, (value: string) => string | undefined> = {
  email: (value) => (/^[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)*$/.test(value) ? undefined : "An address such as ada@example.com."),
  uri: (value) => (/^[a-z][a-z\d+.-]*:\S+$/i.test(value) ? undefined : "An address such as https://example.com/."),
  "date-time": (value) => (/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)?$/.test(value) && !Number.isNaN(Date.parse(value.replace(" ", "T"))) ? undefined : "A date and a time, such as 2026-12-24T18:00:00Z."),
  // A day that the month doesn't have is taken for one of the next month.
  date: (value) => (/^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)) && new Date(value).toISOString().startsWith(value) ? undefined : "A date, such as 2026-12-24."),
  time: (value) => (/^\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?$/.test(value) ? undefined : "A time, such as 18:00:00."),
  uuid: (value) => (/^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i.test(value) ? undefined : "A UUID, such as 6f1c…."),
};
FORMATS["url"] = FORMATS["uri"] as (value: string) => string | undefined;

function amount(value: number, schema: Schema, say: Say): void {
  const number = (word: string) => (typeof schema[word] === "number" ? (schema[word] as number) : null);
  const [least, most, above, below, step] = [number("minimum"), number("maximum"), number("exclusiveMinimum"), number("exclusiveMaximum"), number("multipleOf")];
  if (least !== null && value < least) say(`At least ${least}.`);
  if (most !== null && value > most) say(`At most ${most}.`);
  if (above !== null && value <= above) say(`More than ${above}.`);
  if (below !== null && value >= below) say(`Less than ${below}.`);
  if (step !== null && step > 0 && Math.abs(value / step - Math.round(value / step)) > 1e-9 * Math.max(1, Math.abs(value / step))) say(`In steps of ${step}.`);
}

function items(value: Json[], schema: Schema, whole: Schema, path: Path, found: Problem[], depth: number, say: Say): void {
  const { minItems, maxItems, uniqueItems, prefixItems } = schema as { minItems?: unknown; maxItems?: unknown; uniqueItems?: unknown; prefixItems?: unknown };
  if (typeof minItems === "number" && value.length < minItems) say(`At least ${minItems}; these are ${value.length}.`);
  if (typeof maxItems === "number" && value.length > maxItems) say(`At most ${maxItems}; these are ${value.length}.`);
  if (uniqueItems === true && value.some((one, index) => value.slice(0, index).some((other) => same(one, other)))) say("One of them is there twice.");
  const first = Array.isArray(prefixItems) ? prefixItems : [];
  value.forEach((one, index) => {
    const own = index < first.length ? first[index] : schema["items"];
    if (own !== undefined) look(one, own, whole, [...path, index], found, depth + 1);
  });
}

function members(value: { [key: string]: Json }, schema: Schema, whole: Schema, path: Path, found: Problem[], depth: number, say: Say): void {
  const known = properties(schema);
  const required = Array.isArray(schema["required"]) ? (schema["required"] as unknown[]).filter((one): one is string => typeof one === "string") : [];
  for (const name of required) if (!Object.hasOwn(value, name)) say("This is needed.", [...path, name]);
  for (const one of known) if (Object.hasOwn(value, one.name)) look(value[one.name], one.schema, whole, [...path, one.name], found, depth + 1);
  const more = schema["additionalProperties"];
  const patterns = isSchema(schema["patternProperties"]) ? Object.keys(schema["patternProperties"]) : [];
  for (const key of extras(value, schema)) {
    if (patterns.some((pattern) => matches(key, pattern))) continue;
    if (more === false) say("This is not known here.", [...path, key]);
    else if (isSchema(more)) look(value[key], more, whole, [...path, key], found, depth + 1);
  }
  const { minProperties, maxProperties } = schema as { minProperties?: unknown; maxProperties?: unknown };
  const count = Object.keys(value).length;
  if (typeof minProperties === "number" && count < minProperties) say(`At least ${minProperties} keys; these are ${count}.`);
  if (typeof maxProperties === "number" && count > maxProperties) say(`At most ${maxProperties} keys; these are ${count}.`);
}

/** The keys of an object that its schema doesn't name. */
export function extras(value: { [key: string]: Json }, schema: Schema): string[] {
  const known = new Set(properties(schema).map((one) => one.name));
  return Object.keys(value).filter((key) => !known.has(key));
}

// ----------------------------------------------------------------------------------------------- what a server says

const STEP = /\.[\w-]+|\[\d+\]|\['(?:[^'\\]|\\.)*'\]|\["(?:[^"\\]|\\.)*"\]/g;
const PLACE = new RegExp(`^data((?:${STEP.source})*): (.+)$`, "is");

/** Where in the data a server's sentences point: `data.lines[0].sku: too short; data.to: not an address`. */
export function pointedAt(message: string): Problem[] {
  return message.split(/; (?=data\b)/i).flatMap((one) => {
    const [, where, said] = PLACE.exec(one) ?? [];
    if (where === undefined || said === undefined) return [];
    return [{ path: [...where.matchAll(STEP)].map(([step]) => stepOf(step)), message: said.replace(/; and more\.?$/, "").replace(/^./, (first) => first.toUpperCase()) }];
  });
}

function stepOf(step: string): string | number {
  if (step.startsWith(".")) return step.slice(1);
  const inner = step.slice(1, -1);
  return /^\d+$/.test(inner) ? Number(inner) : inner.slice(1, -1).replace(/\\(.)/g, "$1");
}
