/** A form made from a JSON Schema. It changes single places of the value: what it doesn't know stays as it is. */

import { createContext, type JSX } from "preact";
import { useContext, useId, useMemo, useRef, useState } from "preact/hooks";

import { JsonEditor } from "./components/JsonEditor";
import { Visible } from "./components/Visible";
import { Exact, type Json, parse, stringify } from "./lib/exact";
import { beginning, blank, choices, extras, fits, isDraft, isObject, kindOf, labelOf, numberOf, type Path, placeOf, type Problem, properties, put, resolve, same, type Schema, variantName, variantOf, variants } from "./lib/schema";
import { exact, here } from "./lib/time";
import { Button, Field, IconButton } from "./ui";

interface Shared {
  whole: Schema;
  problems: readonly Problem[];
  /** Whether what is wrong at a place is said yet: not before somebody has been there. */
  told: (path: Path) => boolean;
  change: (path: Path, value: Json | undefined) => void;
  touch: (path: Path) => void;
}

const Form = createContext<Shared | null>(null);

function useForm(): Shared {
  const form = useContext(Form);
  if (!form) throw new Error("A field needs its form.");
  return form;
}

interface Props {
  schema: Schema;
  value: Json | undefined;
  problems: readonly Problem[];
  /** Say all that is wrong, also where nobody has been. */
  tried: boolean;
  onChange: (value: Json | undefined) => void;
}

/** The fields of a value; `key` it anew where the value comes from elsewhere. */
export function SchemaForm({ schema, value, problems, tried, onChange }: Props): JSX.Element {
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const now = useRef(value);
  now.current = value;
  const shared: Shared = {
    whole: schema,
    problems,
    told: (path) => tried || touched.has(placeOf(path)),
    change: (path, next) => {
      now.current = put(now.current, path, next);
      onChange(now.current);
    },
    touch: (path) => {
      const place = placeOf(path);
      if (!touched.has(place)) setTouched(new Set([...touched, place]));
    },
  };
  return (
    <Form.Provider value={shared}>
      <div class="schema">
        <Place given={schema} value={value} path={[]} name="Data" required />
      </div>
    </Form.Provider>
  );
}

interface PlaceProps {
  given: unknown;
  value: Json | undefined;
  path: Path;
  name: string | number;
  required: boolean;
  /** What it is called, if it isn't by its schema or its name. */
  label?: string;
}

/** One place of the data, by the field that suits it. */
function Place(props: PlaceProps): JSX.Element {
  const { whole, touch } = useForm();
  const { given, value, path } = props;
  const { schema, nullable } = useMemo(() => resolve(given, whole), [given, whole]);
  const suits = (value === null && nullable) || fits(value, schema, whole);
  // A value of another kind is JSON until the form is shown anew: fields must not change under the hands of who types.
  const [json, setJson] = useState(!suits);
  const kind = json || isDraft(value) ? "json" : kindOf(schema);
  const inner = { ...props, schema, nullable, label: props.label ?? labelOf(schema, props.name) };
  return (
    <div class="schema-place" data-kind={kind} onFocusOut={() => touch(path)}>
      {kind === "object" ? <ObjectPlace {...inner} /> : null}
      {kind === "array" ? <ListPlace {...inner} /> : null}
      {kind === "union" ? <UnionPlace {...inner} /> : null}
      {kind === "enum" ? <ChoicePlace {...inner} /> : null}
      {kind === "boolean" ? <BooleanPlace {...inner} /> : null}
      {kind === "number" ? <TextPlace {...inner} numeric /> : null}
      {kind === "string" ? schema["format"] === "date-time" ? <MomentPlace {...inner} /> : <TextPlace {...inner} /> : null}
      {kind === "json" ? <JsonPlace {...inner} onBack={json && suits && kindOf(schema) !== "json" ? () => setJson(false) : undefined} /> : null}
    </div>
  );
}

type Inner = PlaceProps & { schema: Schema; nullable: boolean; label: string };

/** What is wrong at this place itself, if it is to be said. */
function useFlaw(path: Path): string | null {
  const { problems, told } = useForm();
  const place = placeOf(path);
  if (!told(path)) return null;
  return problems.find((one) => placeOf(one.path) === place)?.message ?? null;
}

function hintOf(schema: Schema, ...more: (string | null)[]): string | undefined {
  const words = typeof schema["description"] === "string" ? schema["description"] : "";
  return [words, ...more].filter(Boolean).join(" ") || undefined;
}

function defaultOf(schema: Schema, value: Json | undefined, nullable: boolean): string | undefined {
  if (value === null && nullable) return "null";
  const own = schema["default"];
  return own === undefined || own === null ? undefined : `${typeof own === "string" ? own : stringify(own as Json)} if left out`;
}

// ------------------------------------------------------------------------------------------------------ single values

const TYPES: Record<string, string> = { email: "email", uri: "url", url: "url", date: "date" };

function TextPlace({ schema, nullable, value, path, label, required, numeric = false }: Inner & { numeric?: boolean }): JSX.Element {
  const { change } = useForm();
  const flaw = useFlaw(path);
  const shown = value === undefined || value === null ? "" : String(value);
  const format = String(schema["format"]);
  // Once it has lines it stays large; a field of one line would throw them away.
  const [large, setLarge] = useState(!numeric && (shown.includes("\n") || (typeof schema["maxLength"] === "number" && schema["maxLength"] > 300)));
  const set = (text: string) => {
    if (text === "") change(path, emptied(path, required && nullable));
    else change(path, numeric ? numberOf(text) : text);
  };
  const attributes = (id: string, describedBy: string | undefined, invalid: boolean) => ({
    id,
    class: numeric ? "input schema-number" : "input",
    value: shown,
    placeholder: defaultOf(schema, value, nullable),
    "aria-describedby": describedBy,
    "aria-invalid": invalid,
    "aria-required": required && !nullable,
    autocomplete: "off" as const,
  });
  return (
    <Field label={label} hint={hintOf(schema, numeric ? bounds(schema) : null)} error={flaw}>
      {({ id, describedBy, invalid }) =>
        large ? (
          <textarea {...attributes(id, describedBy, invalid)} class="area" rows={3} onInput={(event) => set(event.currentTarget.value)} />
        ) : (
          <input
            {...attributes(id, describedBy, invalid)}
            type={numeric ? "text" : (TYPES[format] ?? "text")}
            inputMode={schema["type"] === "integer" ? "numeric" : numeric ? "decimal" : undefined}
            spellcheck={numeric || TYPES[format] ? false : undefined}
            onInput={(event) => set(event.currentTarget.value)}
            onPaste={(event) => {
              const text = event.clipboardData?.getData("text/plain") ?? "";
              if (numeric || TYPES[format] || !text.trim().includes("\n")) return;
              event.preventDefault();
              setLarge(true);
              set(shown + text);
            }}
          />
        )
      }
    </Field>
  );
}

/** What an emptied field leaves: nothing, unless it is an item of a list, which only its own button takes away. */
function emptied(path: Path, toNull: boolean): Json | undefined {
  return toNull ? null : typeof path.at(-1) === "number" ? "" : undefined;
}

function bounds(schema: Schema): string | null {
  const word = (name: string) => (typeof schema[name] === "number" ? String(schema[name]) : null);
  const [least, most] = [word("minimum"), word("maximum")];
  if (least !== null && most !== null) return `From ${least} to ${most}.`;
  return least !== null ? `At least ${least}.` : most !== null ? `At most ${most}.` : null;
}

const LOCAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/;

/** A date and a time: by the viewer's clock as the browser's field has it, sent as a moment with its zone. */
function MomentPlace(props: Inner): JSX.Element {
  const { schema, nullable, value, path, label, required } = props;
  const { change } = useForm();
  const flaw = useFlaw(path);
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  const [plain] = useState(typeof value === "string" && value !== "" && Number.isNaN(at));
  if (plain) return <TextPlace {...props} />;
  const shown = Number.isNaN(at) ? "" : new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  return (
    <Field label={label} hint={hintOf(schema, typeof value === "string" && value ? `Sent as ${value}.` : `Your time (${here()}).`)} error={flaw}>
      {({ id, describedBy, invalid }) => (
        <input
          id={id}
          class="input"
          type="datetime-local"
          step={1}
          value={shown}
          title={Number.isNaN(at) ? undefined : exact(at)}
          placeholder={defaultOf(schema, value, nullable)}
          aria-describedby={describedBy}
          aria-invalid={invalid}
          aria-required={required && !nullable}
          onInput={(event) => {
            const text = event.currentTarget.value;
            if (LOCAL.test(text)) change(path, new Date(text).toISOString().replace(".000Z", "Z"));
            else if (text === "" && !event.currentTarget.validity.badInput) change(path, emptied(path, required && nullable));
          }}
        />
      )}
    </Field>
  );
}

function ChoicePlace({ schema, nullable, value, path, label, required }: Inner): JSX.Element {
  const { change } = useForm();
  const flaw = useFlaw(path);
  const all = choices(schema);
  const offered: { text: string; value: Json | undefined }[] = all.map((one) => ({ text: typeof one === "string" && one.trim() ? one : stringify(one), value: one }));
  if (nullable && !all.includes(null)) offered.unshift({ text: "null", value: null });
  if (!required || value === undefined) offered.unshift({ text: required ? "Choose…" : "–", value: undefined });
  const chosen = offered.findIndex((one) => same(one.value, value));
  return (
    <Field label={label} hint={hintOf(schema)} error={flaw}>
      {({ id, describedBy, invalid }) => (
        <select id={id} class="select" value={String(chosen)} aria-describedby={describedBy} aria-invalid={invalid} aria-required={required && !nullable} onChange={(event) => change(path, offered[Number(event.currentTarget.value)]?.value)}>
          {offered.map((one, index) => (
            <option key={one.text} value={String(index)} selected={index === chosen}>
              {one.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function BooleanPlace(props: Inner): JSX.Element {
  const { schema, nullable, value, path, label, required } = props;
  const { change } = useForm();
  const flaw = useFlaw(path);
  const id = useId();
  // Where it may be left out, "no" and "not said" are two things.
  if (nullable || (!required && value === undefined && schema["default"] === undefined)) return <ChoicePlace {...props} schema={{ ...schema, enum: [true, false] }} />;
  return (
    <div class="field">
      <label class="tick">
        <input type="checkbox" checked={value === true} aria-describedby={hintOf(schema) || flaw ? id : undefined} aria-invalid={Boolean(flaw)} onChange={(event) => change(path, event.currentTarget.checked)} /> {label}
      </label>
      {flaw || hintOf(schema) ? (
        <p id={id} class={flaw ? "field-error" : "field-hint"}>
          {flaw ?? hintOf(schema)}
        </p>
      ) : null}
    </div>
  );
}

/** JSON in its place: for what has no field of its own. */
function JsonPlace({ schema, nullable, value, path, label, required, onBack }: Inner & { onBack?: (() => void) | undefined }): JSX.Element {
  const { change, problems, told } = useForm();
  const [text, setText] = useState(() => (value === undefined ? "" : value instanceof Exact ? value.source : stringify(value, 2)));
  const place = placeOf(path);
  const inside = told(path) ? problems.filter((one) => under(one.path, path)) : [];
  const set = (next: string) => {
    setText(next);
    if (!next.trim()) return change(path, typeof path.at(-1) === "number" ? new Exact("") : undefined);
    try {
      change(path, parse(next));
    } catch {
      change(path, new Exact(next));
    }
  };
  const said = inside.map((one) => `${placeOf(one.path) === place ? "" : `${placeOf(one.path.slice(path.length))}: `}${one.message}`).join(" ");
  if (value === undefined && !required && text === "") {
    return <Absent label={label} schema={schema} onAdd={() => set(stringify(blank(schema, {}) ?? null, 2))} />;
  }
  return (
    <div class="field schema-json">
      <Head label={label} hint={hintOf(schema)}>
        {onBack ? (
          <Button kind="quiet" onClick={onBack}>
            As a field
          </Button>
        ) : null}
        {required ? null : <IconButton icon="trash" label={`Leave out ${label}`} onClick={() => set("")} />}
      </Head>
      <JsonEditor label={`${label} (JSON)`} rows={Math.min(10, Math.max(2, text.split("\n").length))} text={text} error={said || (text.trim() ? null : required && nullable ? "null, or a value" : null)} onInput={set} />
    </div>
  );
}

function under(inner: Path, outer: Path): boolean {
  return inner.length >= outer.length && outer.every((step, index) => inner[index] === step);
}

// ------------------------------------------------------------------------------------------------------------ groups

function Head({ label, hint, children }: { label: string; hint?: string | undefined; children?: JSX.Element | (JSX.Element | null)[] | null }): JSX.Element {
  return (
    <div class="schema-head">
      <div>
        <p class="label">
          <Visible text={label} />
        </p>
        {hint ? <p class="field-hint">{hint}</p> : null}
      </div>
      {children}
    </div>
  );
}

/** Something that may be left out, and is. */
function Absent({ label, schema, onAdd, value }: { label: string; schema: Schema; onAdd: () => void; value?: Json | undefined }): JSX.Element {
  return (
    <div class="schema-absent">
      <Button kind="quiet" icon="plus" onClick={onAdd}>
        {label}
      </Button>
      {value === null ? <span class="mono muted">null</span> : null}
      {hintOf(schema) ? <span class="field-hint">{hintOf(schema)}</span> : null}
    </div>
  );
}

function ObjectPlace({ schema, nullable, value, path, label, required }: Inner): JSX.Element {
  const { change, whole } = useForm();
  const flaw = useFlaw(path);
  const root = path.length === 0;
  if ((value === undefined || value === null) && !root && (!required || nullable || flaw === null)) {
    return (
      <>
        <Absent label={label} schema={schema} value={value} onAdd={() => change(path, beginning(schema, whole) ?? {})} />
        {flaw ? <p class="field-error">{flaw}</p> : null}
      </>
    );
  }
  const own = isObject(value) ? value : {};
  const more = extras(own, schema);
  const fields = (
    <div class="schema-fields">
      {properties(schema).map((one) => (
        <Place key={one.name} given={one.schema} value={Object.hasOwn(own, one.name) ? own[one.name] : undefined} path={[...path, one.name]} name={one.name} required={one.required} />
      ))}
      {more.map((key) => (
        <Place key={`more ${key}`} given={typeof schema["additionalProperties"] === "object" ? schema["additionalProperties"] : {}} value={own[key]} path={[...path, key]} name={key} required={false} label={key} />
      ))}
      {flaw ? <p class="field-error">{flaw}</p> : null}
    </div>
  );
  if (root) return fields;
  return (
    <div class="schema-group" role="group" aria-label={label}>
      <Head label={label} hint={hintOf(schema)}>
        {required && !nullable ? null : <IconButton icon="trash" label={`Leave out ${label}`} onClick={() => change(path, required ? null : undefined)} />}
      </Head>
      {fields}
    </div>
  );
}

function ListPlace({ schema, nullable, value, path, label, required }: Inner): JSX.Element {
  const { change, whole } = useForm();
  const flaw = useFlaw(path);
  const list = Array.isArray(value) ? value : [];
  // Fields keep to their items when one before them goes.
  const keys = useRef<number[]>([]);
  const last = useRef(0);
  while (keys.current.length < list.length) keys.current.push(last.current++);
  keys.current.length = list.length;
  const one = resolve(schema["items"], whole).schema;
  const word = typeof one["title"] === "string" ? one["title"] : label.replace(/ies$/, "y").replace(/([^s])s$/, "$1");
  const most = typeof schema["maxItems"] === "number" ? schema["maxItems"] : Number.POSITIVE_INFINITY;
  if (value === undefined || value === null) {
    return (
      <>
        <Absent label={label} schema={schema} value={value} onAdd={() => change(path, [blank(schema["items"], whole)])} />
        {flaw ? <p class="field-error">{flaw}</p> : null}
      </>
    );
  }
  return (
    <div class="schema-group" role="group" aria-label={label}>
      <Head label={label} hint={hintOf(schema)}>
        {required && !nullable ? null : <IconButton icon="trash" label={`Leave out ${label}`} onClick={() => change(path, required ? null : undefined)} />}
      </Head>
      <ol class="schema-list">
        {list.map((item, index) => (
          <li key={keys.current[index]}>
            <Place given={schema["items"]} value={item} path={[...path, index]} name={index} required label={`${word} ${index + 1}`} />
            <IconButton
              icon="close"
              label={`Remove ${word} ${index + 1}`}
              onClick={() => {
                keys.current.splice(index, 1);
                change([...path, index], undefined);
              }}
            />
          </li>
        ))}
      </ol>
      {flaw ? <p class="field-error">{flaw}</p> : null}
      <Button kind="quiet" icon="plus" disabled={list.length >= most} onClick={() => change([...path, list.length], blank(schema["items"], whole))}>
        {`Add ${word}`}
      </Button>
    </div>
  );
}

/** One of several kinds: which one, and its field. */
function UnionPlace(props: Inner): JSX.Element {
  const { schema, nullable, value, path, label, required } = props;
  const { change, whole } = useForm();
  const all = variants(schema);
  const [chosen, setChosen] = useState(() => variantOf(value, schema, whole));
  // What was written for the other kinds, should somebody come back to them.
  const before = useRef(new Map<number, Json | undefined>());
  const choose = (to: number | null) => {
    if (chosen !== null) before.current.set(chosen, value);
    setChosen(to);
    const variant = to === null ? undefined : all[to];
    if (to === null || variant === undefined) return change(path, nullable && required ? null : undefined);
    change(path, before.current.has(to) ? before.current.get(to) : blank(variant, whole));
  };
  const variant = chosen === null ? undefined : all[chosen];
  return (
    <div class={variant ? "schema-group" : undefined} role="group" aria-label={label}>
      <Field label={label} hint={hintOf(schema)} error={useFlaw(path)}>
        {({ id, describedBy, invalid }) => (
          <select id={id} class="select" value={chosen === null ? "" : String(chosen)} aria-describedby={describedBy} aria-invalid={invalid} onChange={(event) => choose(event.currentTarget.value === "" ? null : Number(event.currentTarget.value))}>
            {!required || nullable || chosen === null ? <option value="">{nullable && required ? "null" : required ? "Choose…" : "–"}</option> : null}
            {all.map((one, index) => (
              <option key={index} value={String(index)} selected={index === chosen}>
                {variantName(one, whole)}
              </option>
            ))}
          </select>
        )}
      </Field>
      {variant ? <Place key={chosen} given={variant} value={value} path={path} name={props.name} required label={variantName(variant, whole)} /> : null}
    </div>
  );
}
