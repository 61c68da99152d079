/** Who did what. */

import type { JSX } from "preact";

import { useApi } from "../api";
import { Empty } from "../components/Empty";
import { Visible } from "../components/Visible";
import { num, plural, visible } from "../lib/format";
import { route, setQuery, toQueue } from "../router";
import type { Audit } from "../shapes";
import { Broken, Link, Loading, Page, Time } from "../ui";

export default function AuditPage(): JSX.Element {
  const { data, error, loading, refresh } = useApi<Audit>("/audit", { every: 10_000 });
  const { query } = route.value;
  const find = query.get("find") ?? "";
  const entries = data?.entries ?? [];
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const only = { user: query.get("user"), action: query.get("action"), queue: query.get("queue") };
  const found = entries.filter((entry) => {
    if (only.user !== null && (entry.user ?? "somebody") !== only.user) return false;
    if ((only.action !== null && entry.action !== only.action) || (only.queue !== null && entry.queue !== only.queue)) return false;
    const text = `${entry.user ?? "somebody"} ${entry.action} ${entry.queue ?? ""} ${entry.target} ${entry.result}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return (
    <Page
      title="Audit"
      lead="What was changed, revealed or exported from this dashboard since the server started; the log has it for longer."
      actions={
        entries.length ? (
          <>
            <Only word="user" all="Everybody" chosen={only.user} values={entries.map((entry) => entry.user ?? "somebody")} />
            <Only word="action" all="All actions" chosen={only.action} values={entries.map((entry) => entry.action)} />
            <Only word="queue" all="All queues" chosen={only.queue} values={entries.flatMap((entry) => entry.queue ?? [])} />
            <input class="input find" type="search" data-search aria-label="Filter entries" placeholder="Filter entries" value={find} onInput={(event) => setQuery({ find: event.currentTarget.value }, { replace: true })} />
          </>
        ) : undefined
      }
    >
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data && entries.length === 0 ? <Empty title="Nothing was changed yet">What people retry, remove, pause or edit here is written down on this page.</Empty> : null}
      {entries.length > 0 && found.length === 0 ? <Empty title="No entry fits" action={<Link to="/audit">Show all</Link>}>{plural(entries.length, "entry", "entries")} were looked at.</Empty> : null}
      {found.length ? (
        <div class="sheet">
          <table class="table cards">
            <caption class="sr">{num(found.length)} entries, the newest first</caption>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">Did</th>
                <th scope="col">Queue</th>
                <th scope="col">What</th>
                <th scope="col">Result</th>
              </tr>
            </thead>
            <tbody>
              {found.map((entry, index) => (
                <tr key={`${entry.at} ${index}`}>
                  <td data-label="When">
                    <Time at={entry.at} />
                  </td>
                  <td data-label="Who">{entry.user === null ? <span class="muted">somebody</span> : <Visible text={entry.user} />}</td>
                  <td data-label="Did">
                    <b class="audit-action">{entry.action}</b>
                  </td>
                  <td data-label="Queue">
                    {entry.queue === null ? (
                      <span class="muted">–</span>
                    ) : (
                      <Link to={toQueue(entry.queue)}>
                        <Visible text={entry.queue} />
                      </Link>
                    )}
                  </td>
                  <td data-label="What" class="audit-target">
                    <Visible text={entry.target} />
                  </td>
                  <td data-label="Result" class="audit-target">
                    <Visible text={entry.result} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </Page>
  );
}

/** Only those entries: of one user, one action or one queue, of those that there are. */
function Only({ word, all, chosen, values }: { word: "user" | "action" | "queue"; all: string; chosen: string | null; values: readonly string[] }): JSX.Element {
  const offered = [...new Set(chosen === null ? values : [...values, chosen])].toSorted();
  return (
    <select class="select queue-choice" aria-label={`Only ${word}`} value={chosen ?? ""} onChange={(event) => setQuery({ [word]: event.currentTarget.value || null })}>
      <option value="">{all}</option>
      {offered.map((one) => (
        <option key={one} value={one} selected={one === chosen}>
          {visible(one)}
        </option>
      ))}
    </select>
  );
}
