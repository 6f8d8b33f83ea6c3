// Commands that a reader copies into a shell. Their words may be a stranger's, so each stands for itself and nothing else.

import { visible } from './text';

/** A word as it is, or the place of a file, which must not be taken for an option. */
export type Argument = string | { path: string };

/** Whether all of it is seen, in one line: a line break would run what stands before it, as soon as it is pasted. */
export function isPlain(text: string): boolean {
  return visible(text) === text && !/[\t\n]/.test(text);
}

export function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:@+,-]+$/.test(word) ? word : `'${word.replace(/'/g, "'\\''")}'`;
}

const wordOf = (argument: Argument) => {
  if (typeof argument === 'string') return argument;
  return argument.path.startsWith('-') ? `./${argument.path}` : argument.path;
};

/** The command in one line; null if a word holds what a reader would not see. */
export function commandLine(arguments_: Argument[]): string | null {
  const words = arguments_.map(wordOf);
  return words.every(isPlain) ? words.map(shellWord).join(' ') : null;
}
