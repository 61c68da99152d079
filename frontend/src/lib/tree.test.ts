/** A flow's layout: where each job is in its graph. */

import { describe, expect, it } from "vitest";
import { layout } from "./tree";

interface Node {
  name: string;
  children: Node[];
}
const node = (name: string, ...children: Node[]): Node => ({ name, children });
const of = (root: Node) => layout(root, (one) => one.children, (one) => one.name);

describe("the tree's layout", () => {
  it("puts a lone box at the start", () => expect(of(node("a")).nodes.map(({ breadth, depth }) => [breadth, depth])).toEqual([[0, 0]]));
  it("puts a parent in the middle of its children", () => {
    const places = Object.fromEntries(of(node("a", node("b"), node("c"), node("d"))).nodes.map(({ key, breadth }) => [key, breadth]));
    expect(places).toEqual({ a: 1.25, b: 0, c: 1.25, d: 2.5 });
  });
  it("never lets boxes of one depth touch", () => {
    let seed = 7;
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    let names = 0;
    const grow = (depth: number): Node => node(String(names++), ...(depth > 5 ? [] : Array.from({ length: Math.floor(random() * 4) }, () => grow(depth + 1))));
    for (let round = 0; round < 30; round++) {
      const { nodes, breadth } = of(grow(0));
      const rows = new Map<number, number[]>();
      for (const one of nodes) rows.set(one.depth, [...(rows.get(one.depth) ?? []), one.breadth]);
      for (const row of rows.values()) for (let i = 1; i < row.length; i++) expect((row[i] ?? 0) - (row[i - 1] ?? 0)).toBeGreaterThan(1.2);
      for (const one of nodes) {
        expect(one.breadth).toBeGreaterThan(-0.001);
        expect(one.breadth).toBeLessThan(breadth + 0.001);
      }
    }
  });
});
