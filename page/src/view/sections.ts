// The sections of the page: a search with its verdict, the comparison, trainings, inspections.

import { answersView } from '../answers/browser';
import { baselinesOf, chosenOf, familiesOf, hasAnswers, scorerOf, sftOf } from '../candidates';
import type { Candidate } from '../candidates';
import { competitorsOf, incomparable, rowsOf } from '../comparison';
import type { Row } from '../comparison';
import { inspections, searches, trainings } from '../data';
import type { InspectionRun, Report, Run, SearchRun } from '../data';
import { element } from '../dom';
import type { Cell, Figure } from '../figure';
import * as format from '../format';
import { at, number, text, texts } from '../json';
import { oneLine, visible } from '../text';
import { verdictOf } from '../verdict';
import { figureView, tableElement } from './figure_view';
import { commandView } from './settings';

const COLUMNS = { full: 6, half: 3, third: 2 } as const;

/** Figures as rows of six columns; those of a row with room left are widened to fill it. */
function filled(figures: Figure[]): Figure[] {
  const rows: Figure[][] = [];
  let left = 0;
  for (const figure of figures) {
    const columns = COLUMNS[figure.span];
    if (columns > left) {
      rows.push([]);
      left = 6;
    }
    rows.at(-1)?.push(figure);
    left -= columns;
  }
  return rows.flatMap((row) => row.map((figure) => widened(figure, row)));
}

function widened(figure: Figure, row: Figure[]): Figure {
  const taken = row.reduce((sum, each) => sum + COLUMNS[each.span], 0);
  if (taken === 6 || row.length > 2) return figure;
  return { ...figure, span: row.length === 1 ? 'full' : 'half' };
}

/** Takes figures out of all in the order of the page, and numbers them. */
export class Figures {
  private number = 0;

  constructor(private readonly all: Figure[]) {}

  views(section: string): HTMLElement[] {
    const figures = this.all.filter((figure) => figure.section === section);
    return filled(figures).map((figure) => figureView(figure, ++this.number));
  }

  grid(section: string): HTMLElement | null {
    const views = this.views(section);
    return views.length === 0 ? null : element('div', { class: 'figures' }, ...views);
  }
}

function notes(title: string, sentences: string[]): HTMLElement | null {
  if (sentences.length === 0) return null;
  return element(
    'div',
    { class: 'notes' },
    element('h3', {}, title),
    element('ul', {}, ...sentences.map((each) => element('li', {}, visible(each)))),
  );
}

function numberBox(name: string, candidate: Candidate | null): HTMLElement | null {
  const estimate = candidate?.confirming;
  if (!candidate || !estimate) return null;
  return element(
    'div',
    {},
    element('dt', {}, name),
    element('dd', {}, format.fixed(estimate.mean), element('small', {}, ` ± ${format.fixed(estimate.error)}`)),
  );
}

/** The means that were compared, large, from SFT to the chosen α. */
function headlineNumbers(run: SearchRun): HTMLElement | null {
  const chosen = chosenOf(run);
  const family = familiesOf(run).find(
    (each) => each.candidates.includes(chosen as Candidate) || each.candidates.some((one) => one.chosen),
  );
  const zero =
    family?.candidates.find((each) => each.alpha === 0 && each.confirming) ??
    familiesOf(run)
      .flatMap((each) => each.candidates)
      .find((each) => each.alpha === 0 && each.confirming) ??
    null;
  const boxes = [
    numberBox('SFT', sftOf(run)),
    numberBox('ALIGNED', zero),
    ...baselinesOf(run).map((each) => numberBox(oneLine(each.label, 30), each)),
    chosen && chosen.alpha !== 0 ? numberBox(oneLine(chosen.label, 30), chosen) : null,
  ].filter((each) => each !== null);
  if (boxes.length < 2) return null;
  return element(
    'dl',
    { class: 'numbers', 'aria-label': 'Mean scores on the confirming part, with standard errors' },
    ...boxes,
  );
}

function verdictView(run: SearchRun, index: number, figures: Figures, heading: 'h1' | 'h2'): HTMLElement {
  const verdict = verdictOf(run);
  return element(
    'div',
    { class: `verdict ${verdict.tone}` },
    element(
      'div',
      { class: 'said' },
      element('p', { class: 'mark' }, visible(verdict.mark)),
      element(heading, {}, verdict.headline),
      headlineNumbers(run),
      ...verdict.sentences.map((each) => element('p', {}, each)),
      verdict.next &&
        element(
          'p',
          { class: 'small' },
          verdict.tone === 'gain' ? 'To write what is recommended:' : 'To write it all the same:',
        ),
      verdict.next && commandView(verdict.next),
    ),
    ...figures.views(`verdict-${index}`),
  );
}

function sizeSentence(run: SearchRun): string {
  const tokens = number(run.result?.['tokens']);
  const [choosing, confirming] = [
    number(at(run.result, 'prompts', 'choosing')),
    number(at(run.result, 'prompts', 'confirming')),
  ];
  return [
    scorerOf(run) && `scored by ${scorerOf(run)}`,
    choosing !== null &&
      confirming !== null &&
      `${format.plural(choosing, 'prompt')} chose, ${format.count(confirming)} confirm`,
    tokens && `${format.count(tokens)} tokens in all`,
  ]
    .filter(Boolean)
    .join(' · ');
}

export function searchView(run: SearchRun, index: number, figures: Figures, isOnly: boolean): HTMLElement {
  const answers = answersView(run, oneLine(run.name, 60));
  return element(
    'section',
    { id: `search-${index}`, class: 'search', 'aria-label': `Search ${oneLine(run.name, 60)}` },
    element('p', { class: 'eyebrow' }, oneLine(`Search ${run.name}`, 100)),
    verdictView(run, index, figures, isOnly ? 'h1' : 'h2'),
    element('p', { class: 'small' }, visible(sizeSentence(run))),
    notes('What is missing', run.missing),
    notes('Warnings', texts(run.result?.['warnings'])),
    figures.grid(`search-${index}`),
    answers &&
      element(
        'section',
        { id: `answers-${index}`, 'aria-label': `Answers of ${oneLine(run.name, 60)}` },
        element('h2', {}, 'Answers'),
        element(
          'p',
          { class: 'small' },
          'Words that the answer at α = 0 does not have are marked. In the list, arrow keys, Page Up and Down, Home and End leaf through the prompts.',
        ),
        answers,
      ),
    !answers &&
      !hasAnswers(run) &&
      element(
        'p',
        { class: 'small' },
        'This search compares log-probabilities of preference pairs; it has no answers to show.',
      ),
  );
}

function withGain(mean: number | null | undefined, than: number | null | undefined): string {
  if (mean == null) return '';
  return than == null ? format.fixed(mean) : `${format.fixed(mean)} (${format.signed(mean - than)})`;
}

function comparisonRow(row: Row): Cell[] {
  const length = row.confirming?.length ?? row.choosing?.length ?? null;
  return [
    `${row.indented ? '  ' : ''}${row.name}`,
    withGain(row.choosing?.mean, row.than?.choosing?.mean),
    withGain(row.confirming?.mean, row.than?.confirming?.mean),
    length ? format.fixed(length, 0) : '',
    row.verdict,
  ];
}

export function comparisonView(report: Report, figures: Figures): HTMLElement | null {
  const competitors = competitorsOf(report);
  if (competitors.length < 2) return null;
  const all = searches(report);
  const rows = all.flatMap((run) => [
    ...(all.length > 1 ? [[oneLine(run.name, 60), '', '', '', ''] as Cell[]] : []),
    ...rowsOf(run, competitors).map(comparisonRow),
  ]);
  const warning = all.length > 1 ? incomparable(report) : null;
  return element(
    'section',
    { id: 'comparison' },
    element('h2', {}, all.length > 1 ? 'Searches compared' : 'Checkpoints compared'),
    warning && element('p', { class: 'warning' }, warning),
    element(
      'div',
      { class: 'paper-table' },
      tableElement(
        {
          columns: ['model', 'score, choosing part', 'score, confirming part', 'length', 'verdict'],
          rows,
        },
        'Each checkpoint without and with ExPO',
      ),
    ),
    element(
      'p',
      { class: 'small' },
      'In brackets the gain over the same checkpoint at α = 0. On the choosing part the best of many α flatters itself.',
    ),
    figures.grid('comparison'),
  );
}

export function trainingView(report: Report, figures: Figures): HTMLElement | null {
  const runs = trainings(report);
  if (runs.length === 0) return null;
  return element(
    'section',
    { id: 'training' },
    element('h2', {}, 'Training'),
    ...runs.map((run) => notes(`What is missing in ${oneLine(run.name, 60)}`, run.missing)),
    figures.grid('training') ?? element('p', {}, 'No step has been logged yet.'),
  );
}

function inspectionView(run: InspectionRun, index: number, figures: Figures): HTMLElement {
  const { inspection } = run;
  const advice = text(at(inspection, 'verdict', 'advice'))
    ? [text(at(inspection, 'verdict', 'advice'))]
    : texts(at(inspection, 'verdict', 'advice'));
  return element(
    'section',
    { id: `inspection-${index}` },
    element('h2', {}, `Weight change ${oneLine(run.name, 60)}`),
    element('p', {}, visible(text(at(inspection, 'verdict', 'headline')))),
    notes('Evidence', [
      ...texts(at(inspection, 'verdict', 'evidence')),
      ...texts(at(inspection, 'verdict', 'caveats')),
      ...advice,
    ]),
    notes('What is missing', run.missing),
    notes('Warnings', texts(inspection['warnings'])),
    figures.grid(`inspection-${index}`),
  );
}

export function inspectionViews(report: Report, figures: Figures): HTMLElement[] {
  return inspections(report).map((run, index) => inspectionView(run, index, figures));
}

export function nameOfRun(run: Run): string {
  return oneLine(run.name, 60);
}
