// The answers of a search as rows: one for each prompt and sample, with all its α. Sorting and filtering are pure.

import { candidatesOf, chosenOf } from '../candidates';
import type { SearchRun } from '../data';
import { text } from '../json';

export interface Row {
  prompt: number;
  sample: number;
  /** Numbers of answers, by the number of their label. */
  answers: Map<number, number>;
}

export type Order = 'asked' | 'gain' | 'loss';

export interface View {
  words: string;
  part: '' | 'choosing' | 'confirming';
  order: Order;
  /** The label whose gain over `zero` sorts and is shown. */
  label: number;
}

export class Rows {
  readonly all: Row[];
  /** Labels in the order in which their answers are shown: by candidate. */
  readonly shown: number[];
  /** The label that differences are taken to: ALIGNED at α = 0. */
  readonly zero: number;
  readonly samples: number;
  private readonly haystacks = new Map<Row, string>();

  constructor(readonly run: SearchRun) {
    this.all = rowsOf(run);
    this.shown = orderOf(run);
    this.zero = zeroOf(run);
    this.samples = 1 + run.answers.sample.reduce((most, each) => Math.max(most, each), 0);
  }

  scoreOf(row: Row, label: number): number | null {
    const answer = row.answers.get(label);
    return answer === undefined ? null : (this.run.answers.score[answer] ?? null);
  }

  /** The score of the label minus that of α = 0; null where either has none. */
  gainOf(row: Row, label: number): number | null {
    const one = this.scoreOf(row, label);
    const zero = this.scoreOf(row, this.zero);
    return one === null || zero === null ? null : one - zero;
  }

  /** The label that a reader wants to see first: what was chosen, or else the one with the most answers beside α = 0. */
  preferred(): number {
    const chosen = this.run.labels.indexOf(chosenOf(this.run)?.label ?? '');
    if (chosen >= 0 && chosen !== this.zero) return chosen;
    const counts = new Map<number, number>();
    for (const row of this.all) {
      if (!row.answers.has(this.zero)) continue;
      for (const label of row.answers.keys()) counts.set(label, 1 + (counts.get(label) ?? 0));
    }
    counts.delete(this.zero);
    return (
      [...counts].sort((left, right) => right[1] - left[1])[0]?.[0] ??
      this.shown.find((label) => label !== this.zero) ??
      this.zero
    );
  }

  seenBy(view: View): Row[] {
    const words = view.words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.all.filter(
      (row) => this.isOf(row, view.part) && words.every((word) => this.haystack(row).includes(word)),
    );
    if (view.order === 'asked') return found;
    const sign = view.order === 'gain' ? -1 : 1;
    const key = (row: Row) => {
      const gain = this.gainOf(row, view.label);
      return gain === null ? Infinity : sign * gain;
    };
    const keys = new Map(found.map((row) => [row, key(row)]));
    return found.sort((left, right) => {
      const [one, other] = [keys.get(left) ?? Infinity, keys.get(right) ?? Infinity];
      return one === other ? 0 : one < other ? -1 : 1;
    });
  }

  private isOf(row: Row, part: View['part']): boolean {
    return part === '' || this.run.prompts.part[row.prompt] === part;
  }

  /** Prompt and answers in small letters, made when words are first looked for. */
  private haystack(row: Row): string {
    const kept = this.haystacks.get(row);
    if (kept !== undefined) return kept;
    const texts = [
      this.run.prompts.text[row.prompt] ?? '',
      ...[...row.answers.values()].map((answer) => this.run.answers.text[answer] ?? ''),
    ];
    const made = texts.join('\n').toLowerCase();
    this.haystacks.set(row, made);
    return made;
  }
}

function rowsOf(run: SearchRun): Row[] {
  const rows = new Map<string, Row>();
  const { label, prompt, sample } = run.answers;
  for (let i = 0; i < label.length; ++i) {
    // A text, as a number made of both would not tell huge ones apart.
    const place = `${prompt[i] ?? 0} ${sample[i] ?? 0}`;
    let row = rows.get(place);
    if (!row) rows.set(place, (row = { prompt: prompt[i] ?? 0, sample: sample[i] ?? 0, answers: new Map() }));
    row.answers.set(label[i] ?? 0, i);
  }
  return [...rows.values()].sort((left, right) => left.prompt - right.prompt || left.sample - right.sample);
}

function orderOf(run: SearchRun): number[] {
  const order = candidatesOf(run).map((each) => each.label);
  const place = (label: string) => (order.includes(label) ? order.indexOf(label) : order.length);
  const used = new Set(run.answers.label);
  return run.labels
    .map((_, i) => i)
    .filter((i) => used.has(i))
    .sort((left, right) => place(run.labels[left] ?? '') - place(run.labels[right] ?? '') || left - right);
}

function zeroOf(run: SearchRun): number {
  const baseline = run.labels.indexOf(text(run.result?.['baseline']));
  const zeros = candidatesOf(run)
    .filter((each) => each.alpha === 0 && each.model !== null)
    .map((each) => run.labels.indexOf(each.label));
  return zeros.find((each) => each >= 0) ?? (baseline >= 0 ? baseline : run.labels.indexOf('α = 0'));
}
