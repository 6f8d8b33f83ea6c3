// Which words of an answer do not stand in another one, by the longest common subsequence of their words.

export interface Piece {
  text: string;
  isNew: boolean;
}

/** Tables of more cells would take too long; such texts are not compared. */
const MOST_CELLS = 4_000_000;

/** Words with the space that follows them. */
export function wordsOf(text: string): string[] {
  return text.match(/\S+\s*|^\s+/g) ?? [];
}

/** Lengths of common subsequences of what follows each pair of places; none is longer than the root of MOST_CELLS. */
function lengths(before: string[], after: string[]): Uint16Array {
  const width = after.length + 1;
  const table = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; --i) {
    for (let j = after.length - 1; j >= 0; --j) {
      table[i * width + j] =
        before[i] === after[j]
          ? 1 + (table[(i + 1) * width + j + 1] ?? 0)
          : Math.max(table[(i + 1) * width + j] ?? 0, table[i * width + j + 1] ?? 0);
    }
  }
  return table;
}

/** Pieces of `after`, in order; null if the texts are too long to be compared. */
export function differences(before: string, after: string): Piece[] | null {
  const pieces = wordsOf(after);
  const bare = (words: string[]) => words.map((word) => word.trim());
  const [old, now] = [bare(wordsOf(before)), bare(pieces)];
  if ((old.length + 1) * (now.length + 1) > MOST_CELLS) return null;
  const table = lengths(old, now);
  const width = now.length + 1;
  const found: Piece[] = [];
  const add = (text: string, isNew: boolean) => {
    const last = found.at(-1);
    if (last && last.isNew === isNew) last.text += text;
    else found.push({ text, isNew });
  };
  let i = 0;
  for (let j = 0; j < now.length;) {
    const dropping = i < old.length ? (table[(i + 1) * width + j] ?? 0) : -1;
    if (i < old.length && old[i] === now[j]) {
      add(pieces[j++] ?? '', false);
      ++i;
    } else if (dropping >= (table[i * width + j + 1] ?? 0) && i < old.length) {
      ++i;
    } else {
      add(pieces[j++] ?? '', true);
    }
  }
  return found;
}
