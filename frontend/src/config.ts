/** What the server says in the page itself: where the dashboard is mounted, and its name. */

export interface Config {
  /** The path it is mounted at, without a slash at its end: "" or "/admin/queues". */
  base: string;
  title: string;
  version: string;
  /** Whether there is a live stream; if not, the page asks every few seconds. */
  live: boolean;
}

function read(): Config {
  const text = document.getElementById("oxcart-config")?.textContent ?? "{}";
  const given = JSON.parse(text) as Partial<Config>;
  return {
    base: (given.base ?? "").replace(/\/+$/, ""),
    title: given.title ?? "Oxcart",
    version: given.version ?? "",
    live: given.live ?? true,
  };
}

export const config = read();
