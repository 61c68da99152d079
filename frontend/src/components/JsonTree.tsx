/** A JSON value as a tree that folds. By keyboard: arrows move, open and close; `c` copies the value, `p` its path. */

import { useMemo, useRef, useState } from "preact/hooks";

import { copyText } from "../lib/copy";
import { Exact, type Json, stringify } from "../lib/exact";
import { clip, link, num, pieces, plural } from "../lib/format";
import { exact as exactTime } from "../lib/time";
import { Icon } from "../icons";
import { toast } from "./Toast";
import { Visible } from "./Visible";

interface Props {
  value: unknown;
  label: string;
  /** How many levels are open at first. */
  depth?: number;
}

interface Line {
  path: string;
  key: string | number | null;
  value: Json;
  level: number;
  /** Members; null for a plain value. */
  size: number | null;
  open: boolean;
  place: number;
  among: number;
}

const ROWS_AT_FIRST = 300;
const TEXT_AT_FIRST = 300;
const TEXT_STEP = 20_000;

export function JsonTree({ value, label, depth = 2 }: Props) {
  const [turned, setTurned] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [rows, setRows] = useState(ROWS_AT_FIRST);
  const [longer, setLonger] = useState<ReadonlyMap<string, number>>(new Map());
  const [focus, setFocus] = useState("$");
  const box = useRef<HTMLDivElement>(null);

  const lines = useMemo(() => visibleLines(value as Json, depth, turned, rows + 1), [value, depth, turned, rows]);
  const shown = lines.slice(0, rows);
  const stop = shown.some((line) => line.path === focus) ? focus : "$";

  const move = (path: string | undefined) => {
    if (path === undefined) return;
    setFocus(path);
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`)?.focus());
  };
  const turn = (line: Line, open = !line.open) => {
    setFocus(line.path);
    setTurned(new Map(turned).set(line.path, open));
  };
  const copyValue = async (line: Line) => toast((await copyText(asText(line.value))) ? "Copied the value" : "This browser does not let us copy", {});
  const copyPath = async (line: Line) => toast((await copyText(line.path)) ? `Copied ${clip(line.path, 60)}` : "This browser does not let us copy");

  const onKey = (event: KeyboardEvent) => {
    const at = shown.findIndex((line) => line.path === stop);
    const line = shown[at];
    if (!line || event.metaKey || event.ctrlKey || event.altKey || (event.target as Element).closest("a, button")) return;
    const key = event.key;
    if (key === "ArrowDown") move(shown[at + 1]?.path);
    else if (key === "ArrowUp") move(shown[at - 1]?.path);
    else if (key === "Home") move(shown[0]?.path);
    else if (key === "End") move(shown.at(-1)?.path);
    else if (key === "ArrowRight" && line.size && !line.open) turn(line, true);
    else if (key === "ArrowRight" && line.size) move(shown[at + 1]?.path);
    else if (key === "ArrowLeft" && line.size && line.open) turn(line, false);
    else if (key === "ArrowLeft") move(shown.slice(0, at).findLast((above) => above.level < line.level)?.path);
    else if ((key === "Enter" || key === " ") && line.size) turn(line);
    else if (key === "Enter" && isCut(line, longer)) setLonger(grown(line, longer));
    else if (key === "c") void copyValue(line);
    else if (key === "p") void copyPath(line);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="json">
      <div class="json-tools">
        <button type="button" class="json-tool" title={`Copy ${label} as JSON`} aria-label={`Copy ${label} as JSON`} onClick={() => void copyValue({ value: value as Json } as Line)}>
          <Icon name="copy" size={14} />
        </button>
      </div>
      <div class="json-lines" role="tree" aria-label={label} ref={box} onKeyDown={onKey}>
        {shown.map((line) => (
          <div
            key={line.path}
            class="json-line"
            role="treeitem"
            data-path={line.path}
            aria-level={line.level + 1}
            aria-posinset={line.place}
            aria-setsize={line.among}
            aria-expanded={line.size ? line.open : undefined}
            aria-selected={line.path === stop}
            tabIndex={line.path === stop ? 0 : -1}
            onFocus={() => setFocus(line.path)}
          >
            {Array.from({ length: Math.min(line.level, 24) }, (_, step) => (
              <i key={step} class="json-step" />
            ))}
            <span class="json-twist" aria-hidden="true" onClick={() => line.size && turn(line)}>
              {line.size ? <Icon name={line.open ? "chevron" : "right"} size={12} /> : null}
            </span>
            {line.key === null ? null : (
              <span class="json-key" data-index={typeof line.key === "number"} onClick={() => line.size && turn(line)}>
                {typeof line.key === "number" ? line.key : <Visible text={clip(line.key, 200)} />}
                <span class="json-colon">: </span>
              </span>
            )}
            <Value line={line} length={longer.get(line.path) ?? TEXT_AT_FIRST} more={() => setLonger(grown(line, longer))} turn={() => turn(line)} />
          </div>
        ))}
      </div>
      {lines.length > rows ? (
        <button type="button" class="json-more" onClick={() => setRows(rows + 1000)}>
          Show more lines
        </button>
      ) : null}
    </div>
  );
}

function Value({ line, length, more, turn }: { line: Line; length: number; more: () => void; turn: () => void }) {
  const { value } = line;
  if (line.size !== null) {
    return (
      <span class="json-fold" onClick={() => line.size && turn()}>
        {line.size === 0 ? (Array.isArray(value) ? "[]" : "{}") : line.open ? sizeOf(value, line.size) : <Preview value={value} size={line.size} />}
      </span>
    );
  }
  if (typeof value === "string") return <Text text={value} length={length} more={more} />;
  if (value instanceof Exact) return <span class="json-number" title="Shown exactly: too long for a float">{value.source}</span>;
  if (typeof value === "number") return <span class="json-number" title={timeOf(value)}>{String(value)}</span>;
  return <span class="json-word">{String(value)}</span>;
}

function Text({ text, length, more }: { text: string; length: number; more: () => void }) {
  const address = link(text);
  const cut = text.length > length;
  const part = cut ? text.slice(0, length) : text;
  if (text === "•••") return <span class="json-mask" title="Hidden by the server">•••</span>;
  return (
    <span class="json-text">
      {address ? (
        <a href={address} target="_blank" rel="noopener noreferrer nofollow">
          {text}
        </a>
      ) : (
        <>
          <span class="json-quote">"</span>
          <bdi>
            {pieces(part).map((piece) => (piece.mark ? <><span class="unseen" title={piece.mark}>{piece.text}</span>{piece.text === "\\n" ? "\n" : null}</> : piece.text))}
          </bdi>
          {cut ? "…" : <span class="json-quote">"</span>}
        </>
      )}
      {cut ? (
        <button type="button" class="json-all" onClick={more}>
          {text.length - length > TEXT_STEP ? `show more (${num(length)} of ${num(text.length)} characters)` : `show all ${num(text.length)} characters`}
        </button>
      ) : null}
    </span>
  );
}

function Preview({ value, size }: { value: Json; size: number }) {
  const list = Array.isArray(value);
  const some = list ? value.slice(0, 4).map((item) => bit(item)) : Object.entries(value as Record<string, Json>).slice(0, 4).map(([key, item]) => `${clip(key, 16)}: ${bit(item)}`);
  const text = clip(some.join(", "), 70);
  return (
    <>
      {list ? "[" : "{"}
      <Visible text={text} />
      {size > some.length ? ", …" : ""}
      {list ? "]" : "}"}
      <span class="json-size"> {sizeOf(value, size)}</span>
    </>
  );
}

function bit(value: Json): string {
  if (value instanceof Exact) return value.source;
  if (Array.isArray(value)) return value.length ? "[…]" : "[]";
  if (value !== null && typeof value === "object") return "{…}";
  return typeof value === "string" ? `"${clip(value, 20)}"` : String(value);
}

function sizeOf(value: Json, size: number): string {
  return Array.isArray(value) ? plural(size, "item") : plural(size, "key");
}

function visibleLines(root: Json, depth: number, turned: ReadonlyMap<string, boolean>, most: number): Line[] {
  const lines: Line[] = [];
  add(root ?? null, null, "$", 0, 1, 1);
  return lines;

  function add(value: Json, key: string | number | null, path: string, level: number, place: number, among: number): void {
    if (lines.length >= most) return;
    const folds = value !== null && typeof value === "object" && !(value instanceof Exact);
    const names = folds && !Array.isArray(value) ? Object.keys(value) : null;
    const size = folds ? (names ? names.length : (value as Json[]).length) : null;
    const open = Boolean(size) && (turned.get(path) ?? level < depth);
    lines.push({ path, key, value, level, size, open, place, among });
    if (!open || size === null) return;
    for (let index = 0; index < size && lines.length < most; index++) {
      const name = names ? (names[index] ?? "") : index;
      const child = names ? (value as Record<string, Json>)[name] : (value as Json[])[index];
      add(child ?? null, name, path + step(name), level + 1, index + 1, size);
    }
  }
}

function step(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function isCut(line: Line, longer: ReadonlyMap<string, number>): boolean {
  return typeof line.value === "string" && line.value.length > (longer.get(line.path) ?? TEXT_AT_FIRST);
}

function grown(line: Line, longer: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map(longer).set(line.path, (longer.get(line.path) ?? TEXT_AT_FIRST) + TEXT_STEP);
}

/** A text is copied as it is; all else as JSON. */
function asText(value: Json): string {
  return typeof value === "string" ? value : stringify(value, 2);
}

/** A number that may well be a time says which. */
function timeOf(value: number): string | undefined {
  if (Number.isInteger(value) && value > 1_000_000_000_000 && value < 4_000_000_000_000) return exactTime(value);
  return undefined;
}
