/** The jobs of a queue in one state: a page of them, or what is found by a filter. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import { serverNow } from "../api";
import { isEmpty, parse, problem, toQuery } from "../lib/filter";
import { route } from "../router";
import type { Counts } from "../shapes";
import { zone } from "../state";
import { useRememberedColumns } from "./columns";
import { FilterBar } from "./filter-bar";
import { Found } from "./found";
import { Listed } from "./listed";
import { ViewChips } from "./views";

export interface Props {
  queue: string;
  state: string;
  counts: Counts;
  paused: boolean;
  workers: number | null;
}

export function Jobs(props: Props): JSX.Element {
  const { queue, state } = props;
  const { query } = route.value;
  const text = query.get("q") ?? "";
  const fingerprint = query.get("fingerprint");
  const flaw = problem(parse(text), serverNow(), zone.value);
  // A relative time means the moment that it was asked at: else each second would ask anew.
  const asked = useMemo(() => {
    const words = isEmpty(parse(text)) ? {} : toQuery(parse(text), serverNow(), zone.value);
    return fingerprint ? { ...words, fingerprint } : words;
  }, [text, fingerprint, zone.value]);
  const searching = Object.keys(asked).length > 0 && !flaw;
  useRememberedColumns(state);
  return (
    <section class="jobs" aria-label="Jobs">
      <ViewChips queue={queue} state={state} />
      <FilterBar queue={queue} text={text} flaw={flaw} state={state} fingerprint={fingerprint} searching={searching} asked={asked} counts={props.counts} />
      {searching || state === "any" ? (
        <Found key={`${state} ${text} ${fingerprint} ${zone.value}`} {...props} asked={asked} words={text || "this kind of failure"} />
      ) : (
        <Listed key={state} {...props} />
      )}
    </section>
  );
}
