// The whole page, from the verdict at the top to the configuration at the end.

import { inspections, searches, trainings } from '../data';
import type { Report } from '../data';
import { element } from '../dom';
import type { Chart } from '../figure';
import * as format from '../format';
import { oneLine, visible } from '../text';
import { verdictOf } from '../verdict';
import { comparisonView, Figures, inspectionViews, searchView, trainingView } from './sections';
import { commandView, settingsView } from './settings';

function titleOf(report: Report): string {
  const all = searches(report);
  const only = all.length === 1 ? all[0] : undefined;
  if (only) return verdictOf(only).headline;
  if (report.runs.length === 0) return 'An empty report';
  if (report.runs.every((run) => run.kind === 'train'))
    return `Training ${report.runs.map((run) => oneLine(run.name, 40)).join(', ')}`;
  const words = [
    [all.length, 'search', 'searches'],
    [trainings(report).length, 'training', 'trainings'],
    [inspections(report).length, 'weight change', 'weight changes'],
  ] as const;
  return words
    .filter(([count]) => count > 0)
    .map(([count, one, many]) => `${count} ${count === 1 ? one : many}`)
    .join(', ');
}

function navigation(report: Report, ids: string[]): HTMLElement {
  const several = searches(report).length > 1;
  const names: [string, string][] = several
    ? searches(report).map((run, i) => [`search-${i}`, oneLine(run.name, 28)])
    : [
        ['search-0', 'Search'],
        ['answers-0', 'Answers'],
      ];
  const all: [string, string][] = [
    ['comparison', 'Comparison'],
    ...names,
    ['training', 'Training'],
    ...inspections(report).map((run, i): [string, string] => [`inspection-${i}`, oneLine(run.name, 28)]),
    ['configuration', 'Configuration'],
  ];
  return element(
    'nav',
    { 'aria-label': 'Sections' },
    ...all
      .filter(([id]) => ids.includes(id))
      .sort(([one], [other]) => ids.indexOf(one) - ids.indexOf(other))
      .map(([id, name]) => element('a', { href: `#${id}` }, name)),
  );
}

function configuration(report: Report): HTMLElement {
  return element(
    'section',
    { id: 'configuration' },
    element('h2', {}, 'Configuration'),
    ...report.runs.map(settingsView),
    element(
      'section',
      { class: 'settings' },
      element('h3', {}, 'This page'),
      report.command && commandView(report.command),
      element(
        'p',
        { class: 'small' },
        visible(
          `Made ${format.moment(report.made)} by expo ${report.expo}. It holds all of its data and asks nothing of any network.`,
        ),
      ),
    ),
  );
}

export function pageOf(report: Report, charts: Chart[]): HTMLElement[] {
  const figures = new Figures(charts.flatMap((chart) => chart.figures(report)));
  const all = searches(report);
  const title = titleOf(report);
  document.title = `${title} – expo report`;
  const sections = [
    all.length > 1 ? comparisonView(report, figures) : null,
    ...all.map((run, i) => searchView(run, i, figures, all.length === 1)),
    all.length === 1 ? comparisonView(report, figures) : null,
    trainingView(report, figures),
    ...inspectionViews(report, figures),
    configuration(report),
  ].filter((each) => each !== null);
  const ids = sections.flatMap((section) => [
    section.id,
    ...[...section.querySelectorAll('section[id]')].map((each) => each.id),
  ]);
  return [
    element(
      'header',
      { class: 'top' },
      element('p', { class: 'name' }, 'expo report'),
      navigation(report, ids),
      element('p', { class: 'made' }, visible(format.moment(report.made))),
    ),
    element('main', {}, all.length !== 1 && element('h1', {}, visible(title)), ...sections),
  ];
}
