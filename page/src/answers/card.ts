// An answer as a card: its α, score and length, and its text with the words marked that α = 0 does not say.

import { button, element, foreign } from '../dom';
import * as format from '../format';
import { oneLine, visible } from '../text';
import { differences } from './diff';
import type { Piece } from './diff';

/** More is shown when it is asked for: a browser takes long to break a line of a million characters. */
export const MOST_SHOWN = 6000;

export interface Card {
  label: string;
  role: string;
  text: string;
  score: number | null;
  gain: number | null;
  tokens: number | null;
  cut: boolean;
  /** The answer at α = 0; null for that one itself, or where there is none. */
  zero: string | null;
}

/** What is long enough to scroll within its place is reached by the keyboard. */
export function scrolling(text: string, name: string): Record<string, string> {
  return text.length > 400 ? { tabindex: '0', role: 'group', 'aria-label': name } : {};
}

function pieces(text: string, compared: Piece[] | null): Node[] {
  if (!compared) return [document.createTextNode(visible(text))];
  return compared.flatMap((piece) => {
    if (!piece.isNew) return [document.createTextNode(visible(piece.text))];
    const words = piece.text.trimEnd();
    return [element('mark', {}, visible(words)), document.createTextNode(visible(piece.text.slice(words.length)))];
  });
}

const comparedTo = (zero: string | null, text: string) => (zero === null ? null : differences(zero, text));

const TOO_LONG = 'Too long for its differences to be marked.';
const tooLong = () => element('p', { class: 'small' }, TOO_LONG);

/** All of a long answer, once it is asked for. */
function showAll({ text, zero }: Card, place: HTMLElement): void {
  const compared = comparedTo(zero, text);
  place.replaceChildren(...pieces(text, compared));
  const isTold = place.nextElementSibling !== null;
  if (zero !== null && !compared && !isTold) place.after(tooLong());
}

function more(card: Card, place: HTMLElement): Node[] {
  if (card.text.length <= MOST_SHOWN) return [];
  const label = `Show all ${format.count(card.text.length)} characters`;
  return [document.createTextNode('… '), button(label, () => showAll(card, place), { class: 'more' })];
}

function facts(card: Card): HTMLElement {
  const gain =
    card.gain === null || card.zero === null
      ? null
      : element(
          'span',
          { class: card.gain > 0 ? 'up' : card.gain < 0 ? 'down' : 'even' },
          `gain ${format.gain(card.gain)}`,
        );
  return element(
    'p',
    { class: 'facts' },
    element('span', {}, card.score === null ? 'no score' : `score ${format.general(card.score)}`),
    gain,
    card.tokens !== null && element('span', {}, format.plural(card.tokens, 'token')),
    card.cut && element('span', { class: 'cut' }, 'cut off'),
  );
}

export function cardView(card: Card): HTMLElement {
  const words = element('div', {
    class: 'words',
    dir: 'auto',
    ...scrolling(card.text, `Answer at ${oneLine(card.label, 60)}`),
  });
  const start = card.text.slice(0, MOST_SHOWN);
  const isCut = start.length < card.text.length;
  const compared = comparedTo(isCut && card.zero !== null ? card.zero.slice(0, 2 * MOST_SHOWN) : card.zero, start);
  if (card.text === '') words.append(element('i', {}, 'an empty answer'));
  else words.append(...pieces(start, compared), ...more(card, words));
  return element(
    'article',
    { class: `card ${card.role.replace(/\W/g, '')}` },
    element('h3', {}, foreign(oneLine(card.label, 60)), card.role && element('span', { class: 'role' }, card.role)),
    facts(card),
    words,
    card.zero !== null && !compared && tooLong(),
  );
}
