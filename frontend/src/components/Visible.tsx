/** Text by strangers: each character that would not be seen, or would turn the text around it, is shown by its name. */

import { pieces } from "../lib/format";

export function Visible({ text, lines = false }: { text: string; lines?: boolean }) {
  const found = pieces(text, lines);
  if (found.length === 1 && !found[0]?.mark) return <bdi>{text}</bdi>;
  return (
    <bdi>
      {found.map((piece) =>
        piece.mark ? (
          <span class="unseen" title={piece.mark}>
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
}
