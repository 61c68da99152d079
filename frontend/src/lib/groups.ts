/** Queues that belong together, by how their names begin. */

/** What a name begins with: `billing` of `billing.invoices`; null if it has no such part. */
export function prefixOf(name: string): string | null {
  return /^([^./_-]+)[./_-]./.exec(name)?.[1] ?? null;
}

export interface Group<T> {
  /** Null for those that stand alone. */
  prefix: string | null;
  rows: T[];
}

/** Rows in groups of at least two, in the order in which the first of each group came; the others stand alone in between. */
export function grouped<T extends { name: string }>(rows: readonly T[]): Group<T>[] {
  const sizes = new Map<string, number>();
  for (const row of rows) {
    const prefix = prefixOf(row.name);
    if (prefix) sizes.set(prefix, (sizes.get(prefix) ?? 0) + 1);
  }
  const groups: Group<T>[] = [];
  const known = new Map<string, Group<T>>();
  for (const row of rows) {
    const prefix = prefixOf(row.name);
    const shared = prefix !== null && (sizes.get(prefix) ?? 0) > 1 ? prefix : null;
    const found = shared === null ? undefined : known.get(shared);
    if (found) found.rows.push(row);
    else {
      const group = { prefix: shared, rows: [row] };
      groups.push(group);
      if (shared !== null) known.set(shared, group);
    }
  }
  return groups;
}
