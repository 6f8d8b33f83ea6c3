// Untrusted text made visible: what would move the cursor, turn the direction or colour a terminal is shown as a sign.

/** U+202E and its like reorder what follows them; U+200B and its like hide. */
const REORDERING = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]/g;
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff]/g;
const SURROGATES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const named = (character: string) => `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`;

/** Unicode has pictures of these, but few fonts do. */
const NAMES: Record<string, string> = {
  '\u0000': 'NUL',
  '\u0007': 'BEL',
  '\u0008': 'BS',
  '\u000d': 'CR',
  '\u001b': 'ESC',
  '\u007f': 'DEL',
};

const picture = (control: string) => (NAMES[control] ? `⟨${NAMES[control]}⟩` : named(control));

/** Text that shows what it holds; line breaks and tabs stay. */
export function visible(text: string): string {
  return text
    .replace(/\r\n/g, '\n')
    .replace(SURROGATES, '\ufffd')
    .replace(CONTROLS, picture)
    .replace(REORDERING, named);
}

/** The same in one line of at most so many characters. */
export function oneLine(text: string, most = 160): string {
  const short = text.slice(0, most * 2);
  const line = visible(short).replace(/\s+/g, ' ').trim();
  return line.length > most || text.length > short.length ? `${line.slice(0, most - 1)}…` : line;
}
