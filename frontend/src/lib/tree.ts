/** Where the boxes of a tree stand: parents in the middle of their children, subtrees as close as they may. */

export interface Placed<T> {
  node: T;
  key: string;
  parent: Placed<T> | null;
  children: Placed<T>[];
  depth: number;
  /** Of the box's middle, along the breadth of the tree, in units of one box. */
  breadth: number;
}

export interface Layout<T> {
  /** In reading order: a parent before its children. */
  nodes: Placed<T>[];
  depth: number;
  breadth: number;
}

/** Lay out a tree; `childrenOf` answers none for a folded node. */
export function layout<T>(root: T, childrenOf: (node: T) => readonly T[], keyOf: (node: T) => string, gap = 1.25): Layout<T> {
  const nodes: Placed<T>[] = [];
  const start = place(root, null, 0);
  /** For each depth below a subtree's top: how far its boxes reach to both sides. */
  type Outline = { low: number; high: number }[];

  function place(node: T, parent: Placed<T> | null, depth: number): Placed<T> {
    const placed: Placed<T> = { node, key: keyOf(node), parent, children: [], depth, breadth: 0 };
    nodes.push(placed);
    for (const child of childrenOf(node)) placed.children.push(place(child, placed, depth + 1));
    return placed;
  }

  const shifts = new Map<Placed<T>, number>();

  function arrange(placed: Placed<T>): Outline {
    let whole: Outline = [];
    const at: number[] = [];
    for (const child of placed.children) {
      const outline = arrange(child);
      let shift = 0;
      for (let level = 0; level < Math.min(whole.length, outline.length); level++) {
        // Cousins stand a little further apart than siblings, so that families show.
        shift = Math.max(shift, (whole[level]?.high ?? 0) - (outline[level]?.low ?? 0) + (level === 0 ? gap : gap * 1.15));
      }
      at.push(shift);
      whole = merged(whole, outline, shift);
    }
    const middle = ((at[0] ?? 0) + (at.at(-1) ?? 0)) / 2;
    placed.children.forEach((child, index) => shifts.set(child, (at[index] ?? 0) - middle));
    return [{ low: 0, high: 0 }, ...whole.map(({ low, high }) => ({ low: low - middle, high: high - middle }))];
  }

  function merged(left: Outline, right: Outline, shift: number): Outline {
    const longest = Math.max(left.length, right.length);
    return Array.from({ length: longest }, (_, level) => {
      const [one, two] = [left[level], right[level]];
      return { low: one ? one.low : (two?.low ?? 0) + shift, high: two ? two.high + shift : (one?.high ?? 0) };
    });
  }

  const outline = arrange(start);
  const lowest = Math.min(...outline.map(({ low }) => low));
  for (const placed of nodes) placed.breadth = placed.parent ? placed.parent.breadth + (shifts.get(placed) ?? 0) : 0 - lowest;
  return { nodes, depth: outline.length, breadth: Math.max(...outline.map(({ high }) => high)) - lowest };
}
