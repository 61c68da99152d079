/** Which rows are selected. While any are, lists stand still. */

import { useEffect, useRef, useState } from "preact/hooks";

import { held } from "../live";
import type { JobRow } from "../shapes";

export interface Selection {
  picked: ReadonlySet<string>;
  /** Whether it is all that match, and not only those that were picked. */
  all: boolean;
  /** How many of this page are. */
  here: number;
  wholePage: boolean;
  pick: (at: number, on: boolean, range: boolean) => void;
  pickPage: (on: boolean) => void;
  pickAll: () => void;
  clear: () => void;
}

export function useSelection(jobs: readonly JobRow[]): Selection {
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [all, setAll] = useState(false);
  const anchor = useRef<string | null>(null);
  useEffect(() => {
    held.value = picked.size > 0;
    return () => {
      held.value = false;
    };
  }, [picked.size]);

  const turn = (some: readonly JobRow[], on: boolean) => {
    const chosen = new Set(picked);
    for (const job of some) {
      if (on) chosen.add(job.id);
      else chosen.delete(job.id);
    }
    setAll(false);
    setPicked(chosen);
  };
  const here = jobs.filter((job) => picked.has(job.id)).length;
  return {
    picked,
    all,
    here,
    wholePage: here === jobs.length,
    pick: (at, on, range) => {
      // On another page, or gone, it is no end of a range.
      const before = range ? jobs.findIndex((job) => job.id === anchor.current) : -1;
      const from = before < 0 ? at : before;
      anchor.current = jobs[at]?.id ?? null;
      turn(jobs.slice(Math.min(from, at), Math.max(from, at) + 1), on);
    },
    pickPage: (on) => turn(jobs, on),
    pickAll: () => setAll(true),
    clear: () => {
      setPicked(new Set());
      setAll(false);
      anchor.current = null;
    },
  };
}
