// Leafing through the answers of a search: a list of prompts, and beside it one prompt with all its α.

import { candidatesOf } from '../candidates';
import type { SearchRun } from '../data';
import { button, element, foreign } from '../dom';
import * as format from '../format';
import { object, text } from '../json';
import { oneLine, visible } from '../text';
import { cardView, MOST_SHOWN, scrolling } from './card';
import { Rows } from './rows';
import type { Order, Row, View } from './rows';
import { VirtualList } from './virtual_list';

function choice<Value extends string>(
  label: string,
  options: [Value, string][],
  onChange: (value: Value) => void,
  value?: Value,
): HTMLElement {
  const select = element(
    'select',
    {},
    ...options.map(([key, name]) => element('option', { value: key, selected: key === value }, name)),
  );
  select.addEventListener('change', () => onChange(select.value as Value));
  return element('label', {}, element('span', {}, label), select);
}

class Browser {
  private readonly rows: Rows;
  private readonly view: View;
  private found: Row[] = [];
  private readonly list: VirtualList;
  private readonly where = element('p', { 'aria-live': 'polite' });
  private readonly shown = element('div', {});
  private readonly status = element('p', { class: 'small', role: 'status' });

  constructor(
    private readonly run: SearchRun,
    private readonly name: string,
  ) {
    this.rows = new Rows(run);
    this.view = { words: '', part: '', order: 'asked', label: this.rows.preferred() };
    this.list = new VirtualList(
      'Prompts',
      (index) => this.entry(index),
      (index) => this.open(index),
    );
  }

  element(): HTMLElement {
    const made = element(
      'div',
      { class: 'answers' },
      this.controls(),
      element(
        'div',
        { class: 'panes' },
        element('div', { class: 'left' }, this.status, this.list.box),
        element('div', { class: 'detail' }, this.heading(), this.shown),
      ),
    );
    this.look();
    requestAnimationFrame(() => this.list.draw());
    return made;
  }

  private controls(): HTMLElement {
    const { run, rows } = this;
    const others = rows.shown.filter((label) => label !== rows.zero);
    const search = element('input', {
      type: 'search',
      placeholder: 'words in prompt or answers',
      spellcheck: 'false',
      autocomplete: 'off',
    });
    let waiting = 0;
    search.addEventListener('input', () => {
      clearTimeout(waiting);
      waiting = window.setTimeout(() => this.change({ words: search.value }), 120);
    });
    return element(
      'div',
      { class: 'controls', role: 'group', 'aria-label': `Which answers of ${this.name} are shown` },
      element('label', { class: 'wide' }, element('span', {}, 'Filter'), search),
      choice<Order>(
        'Order',
        [
          ['asked', 'as in the data'],
          ['gain', 'largest gain first'],
          ['loss', 'largest loss first'],
        ],
        (order) => this.change({ order }),
      ),
      others.length > 0 &&
        choice(
          'Gain of',
          others.map((label): [string, string] => [String(label), oneLine(run.labels[label] ?? '', 40)]),
          (value) => this.change({ label: Number(value) }),
          String(this.view.label),
        ),
      choice<View['part']>(
        'Prompts',
        [
          ['', 'all'],
          ['choosing', 'that chose'],
          ['confirming', 'that confirm'],
        ],
        (part) => this.change({ part }),
      ),
    );
  }

  private change(change: Partial<View>): void {
    Object.assign(this.view, change);
    this.look();
  }

  private look(): void {
    this.found = this.rows.seenBy(this.view);
    this.status.textContent = `${format.count(this.found.length)} of ${format.plural(this.rows.all.length, this.rows.samples > 1 ? 'sample' : 'prompt')}`;
    this.list.box.scrollTop = 0;
    this.list.show(this.found.length, this.found.length > 0 ? 0 : -1);
  }

  private entry(index: number): (Node | string)[] {
    const row = this.found[index];
    if (!row) return [];
    const gain = this.rows.gainOf(row, this.view.label);
    const tone = gain === null ? 'none' : gain > 0 ? 'up' : gain < 0 ? 'down' : 'even';
    return [
      element('span', { class: `gain ${tone}` }, gain === null ? '' : format.gain(gain)),
      element(
        'span',
        { class: 'ask', dir: 'auto' },
        oneLine(this.run.prompts.text[row.prompt] || `prompt ${this.run.prompts.id[row.prompt]}`, 120),
      ),
    ];
  }

  private open(index: number): void {
    const row = this.found[index];
    if (!row) {
      this.where.replaceChildren('No prompt fits.');
      this.shown.replaceChildren();
      return;
    }
    const sample = this.rows.samples > 1 ? `, sample ${row.sample + 1}` : '';
    const part = this.run.prompts.part[row.prompt];
    this.where.replaceChildren(
      'Prompt ',
      foreign(oneLine(this.run.prompts.id[row.prompt] ?? '', 40)),
      `${sample}${part ? ` · ${part} part` : ''}`,
    );
    this.shown.replaceChildren(this.prompt(row), this.cards(row));
  }

  /** Stays while prompts come and go, so that its buttons keep the focus. */
  private heading(): HTMLElement {
    return element(
      'div',
      { class: 'which' },
      this.where,
      element(
        'div',
        { class: 'tools' },
        button('←', () => this.list.step(-1), { 'aria-label': 'Previous prompt' }),
        button('→', () => this.list.step(1), { 'aria-label': 'Next prompt' }),
      ),
    );
  }

  private prompt(row: Row): HTMLElement {
    const messages = this.run.prompts.messages[row.prompt];
    const words = this.run.prompts.text[row.prompt] ?? '';
    if (!messages)
      return element('blockquote', { dir: 'auto', ...scrolling(words, 'Prompt') }, visible(words.slice(0, MOST_SHOWN)));
    return element(
      'blockquote',
      { tabindex: '0', role: 'group', 'aria-label': 'Prompt' },
      ...messages.map((message) => {
        const turn = object(message);
        const content = typeof turn['content'] === 'string' ? turn['content'] : JSON.stringify(turn['content'] ?? null);
        return element(
          'p',
          { dir: 'auto' },
          element('b', {}, `${oneLine(text(turn['role']), 20)}: `),
          visible(content.slice(0, MOST_SHOWN)),
        );
      }),
    );
  }

  private roleOf(label: number): string {
    const candidate = candidatesOf(this.run).find((each) => each.label === this.run.labels[label]);
    if (label === this.rows.zero) return 'ALIGNED';
    if (candidate?.alpha === -1) return 'SFT';
    return candidate?.chosen ? 'chosen' : '';
  }

  private cards(row: Row): HTMLElement {
    const { answers } = this.run;
    const zero = row.answers.get(this.rows.zero);
    return element(
      'div',
      { class: 'cards' },
      ...this.rows.shown.flatMap((label) => {
        const answer = row.answers.get(label);
        if (answer === undefined) return [];
        return [
          cardView({
            label: this.run.labels[label] ?? '',
            role: this.roleOf(label),
            text: answers.text[answer] ?? '',
            score: answers.score[answer] ?? null,
            gain: this.rows.gainOf(row, label),
            tokens: answers.tokens[answer] ?? null,
            cut: answers.ending[answer] === 'length',
            zero: zero === undefined || label === this.rows.zero ? null : (answers.text[zero] ?? ''),
          }),
        ];
      }),
    );
  }
}

export function answersView(run: SearchRun, name: string): HTMLElement | null {
  return run.answers.text.length === 0 ? null : new Browser(run, name).element();
}
