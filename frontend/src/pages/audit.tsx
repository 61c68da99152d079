import type { JSX } from "preact";

import { useApi } from "../api";
import { Empty } from "../components/Empty";
import { Visible } from "../components/Visible";
import { num, plural } from "../lib/format";
import { route, setQuery, toQueue } from "../router";
import type { Audit } from "../shapes";
import { Broken, Link, Loading, Page, Time } from "../ui";

/** Who did what. */
export default function AuditPage(): JSX.Element {
  const { data, error, loading, refresh } = useApi<Audit>("/audit", { every: 10_000 });
  const find = route.value.query.get("find") ?? "";
  const entries = data?.entries ?? [];
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter((entry) => {
    const text = `${entry.user ?? "somebody"} ${entry.action} ${entry.queue ?? ""} ${entry.target} ${entry.result}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return (
    <Page
      title="Audit"
      lead="Everything that was changed from this dashboard since the server started; the log has it for longer."
      actions={
        entries.length ? (
          <input class="input find" type="search" data-search aria-label="Filter entries" placeholder="Filter entries" value={find} onInput={(event) => setQuery({ find: event.currentTarget.value }, { replace: true })} />
        ) : undefined
      }
    >
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data && entries.length === 0 ? <Empty title="Nothing was changed yet">What people retry, remove, pause or edit here is written down on this page.</Empty> : null}
      {entries.length > 0 && found.length === 0 ? <Empty title="No entry fits">{plural(entries.length, "entry", "entries")} were looked at.</Empty> : null}
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
