/** The bar that says how many jobs are selected, and offers what can be done with them. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { part, post } from "../api";
import { toast } from "../components/Toast";
import { busyKeys } from "../keys";
import { stringify } from "../lib/exact";
import { num, plural } from "../lib/format";
import { toCompare } from "../router";
import type { Preview } from "../shapes";
import { may } from "../state";
import { Button, IconButton, lazy, Link, nothing } from "../ui";
import { actionsFor, type BulkAction, type Chosen, MOST_IDS, VERBS } from "./chosen";
import { ExportMenu } from "./export";
import type { Selection } from "./selection";
import type { TableProps } from "./table";

const BulkDialog = lazy(() => import("./bulk-dialog").then((module) => module.BulkDialog), nothing);

const ICONS = { retry: "retry", promote: "play", remove: "trash" } as const;

export function Selected(props: TableProps & { selection: Selection }): JSX.Element {
  const { queue, state, selection, filter, words, onChanged } = props;
  const { all, clear } = selection;
  const [action, setAction] = useState<BulkAction | null>(null);
  const ids = [...selection.picked];
  const chosen: Chosen = all ? { state, filter, words } : { ids, filter: {}, words: "" };
  const begin = (wanted: BulkAction) => {
    if (!all && ids.length > MOST_IDS) toast(`At most ${num(MOST_IDS)} can be chosen one by one. Select all that match instead.`, { kind: "bad" });
    else setAction(wanted);
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !busyKeys(event)) clear();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
  return (
    <>
      <div class="picked" role="toolbar" aria-label="Selected jobs">
        <HowMany {...props} />
        <span class="picked-gap" />
        {actionsFor(state).map((one) => (
          <Button key={one} icon={ICONS[one]} onClick={() => begin(one)}>
            {VERBS[one]}
          </Button>
        ))}
        <Others {...props} ids={ids} />
        <IconButton icon="close" label="Clear selection" onClick={clear} />
      </div>
      {action ? (
        <BulkDialog
          queue={queue}
          action={action}
          chosen={chosen}
          onClose={(begun: boolean) => {
            setAction(null);
            if (!begun) return;
            clear();
            onChanged();
          }}
        />
      ) : null}
    </>
  );
}

/** How many are selected, and how to select all the others that match. */
function HowMany({ queue, state, total, filter, selection }: TableProps & { selection: Selection }): JSX.Element {
  const { all, picked, wholePage, pickAll } = selection;
  const [matching, setMatching] = useState<Preview | null>(null);
  const actions = actionsFor(state);
  const [first] = actions;
  const known = total ?? matching?.count ?? null;
  useEffect(() => {
    // How many fit a filter is known only when somebody has counted them: the server does, when it matters.
    if (!all || total !== null || !first) return;
    post<Preview>(`/queues/${part(queue)}/bulk/preview`, { action: first, state, ...filter }).then(setMatching, () => undefined);
  }, [all]);
  const more = total === null ? first !== undefined : total > picked.size;
  const least = total === null && matching?.exact === false ? "At least " : "All ";
  return (
    <>
      <span class="picked-count" role="status">
        {all ? (known === null ? "All that match" : `${least}${num(known)} selected`) : `${num(picked.size)} selected`}
      </span>
      {!all && wholePage && more ? (
        <Button kind="quiet" onClick={pickAll}>
          {total === null ? "Select all that match" : `Select all ${num(total)} that match`}
        </Button>
      ) : null}
    </>
  );
}

/** What can be done with a selection besides changing it. */
function Others({ queue, state, filter, total, selection, ids }: TableProps & { selection: Selection; ids: readonly string[] }): JSX.Element {
  const [a, b] = ids;
  const what: Record<string, string | null> = selection.all ? { state: state === "any" ? null : state, ...filter } : { ids: stringify([...ids]) };
  const few = selection.all || ids.length <= MOST_IDS;
  return (
    <>
      {!selection.all && ids.length === 2 && a !== undefined && b !== undefined ? (
        <Link class="button" to={toCompare({ queue, id: a }, { queue, id: b })}>
          Compare
        </Link>
      ) : null}
      {may("export") && few ? <ExportMenu queue={queue} what={selection.all ? "All that match" : plural(ids.length, "selected job")} query={what} count={selection.all ? total : null} text="Export" /> : null}
    </>
  );
}
