// What an α costs: answers that grow longer, are cut off, or repeat themselves; and the objectives that did not decide.

import { alphaFigure } from '../alpha_curves';
import type { Measure } from '../alpha_curves';
import { candidatesOf, hasAnswers } from '../candidates';
import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';

const MEASURES: (Measure & { caption: string })[] = [
  {
    id: 'length',
    title: 'Length against α',
    axis: 'characters',
    read: (estimate) => estimate.length,
    show: (value) => format.fixed(value, 1),
    caption: 'Mean length of an answer in characters.',
  },
  {
    id: 'truncated',
    title: 'Truncated answers',
    axis: 'share cut off',
    read: (estimate) => estimate.truncated,
    percent: true,
    show: (value) => format.percent(value),
    caption: 'Share of answers that the limit of tokens cut off.',
  },
  {
    id: 'repetition',
    title: 'Repetition',
    axis: 'share repeated',
    read: (estimate) => estimate.repetition,
    percent: true,
    show: (value) => format.percent(value),
    caption: 'Share of the 4-grams of an answer’s words that repeat earlier ones.',
  },
];

function furtherNames(run: SearchRun): string[] {
  const parts = candidatesOf(run).flatMap((each) => [each.choosing, each.confirming]);
  return [...new Set(parts.flatMap((part) => [...(part?.further.keys() ?? [])]))];
}

function further(run: SearchRun, number: number): (Figure | null)[] {
  return furtherNames(run).map((name, i) =>
    alphaFigure(
      run,
      number,
      {
        id: `further-${i}`,
        title: `${name} against α`,
        axis: name,
        show: (value) => format.fixed(value, 4),
        read: (estimate) => estimate.further.get(name)?.mean ?? null,
        error: (estimate) => estimate.further.get(name)?.error ?? null,
      },
      { span: 'half', height: 280, caption: 'A further objective, which did not decide: shown and not tested.' },
    ),
  );
}

function figures(run: SearchRun, number: number): (Figure | null)[] {
  const measured = hasAnswers(run)
    ? MEASURES.map((each) => alphaFigure(run, number, each, { span: 'third', height: 270, caption: each.caption }))
    : [];
  return [...measured, ...further(run, number)];
}

export const costs: Chart = {
  figures: (report) =>
    searches(report)
      .flatMap(figures)
      .filter((each) => each !== null),
};
