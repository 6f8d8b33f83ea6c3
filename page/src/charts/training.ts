// Metrics of training runs over their steps; runs are drawn over each other, and evaluations beside them.

import { trainings } from '../data';
import type { Report, TrainRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { number } from '../json';
import { oneLine } from '../text';
import { axis, axisLabel, base, legend, legendHeight, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

interface Panel {
  id: string;
  title: string;
  keys: string[];
  caption: string;
}

const PANELS: Panel[] = [
  { id: 'loss', title: 'Loss', keys: ['loss'], caption: 'The mean loss of a step.' },
  {
    id: 'margins',
    title: 'Reward margins',
    keys: ['rewards/margins', 'margin'],
    caption: 'Reward of the chosen answer minus that of the rejected one.',
  },
  {
    id: 'accuracies',
    title: 'Reward accuracies',
    keys: ['rewards/accuracies', 'accuracy'],
    caption: 'Share of the pairs whose chosen answer has the larger reward.',
  },
  {
    id: 'rewards',
    title: 'Rewards',
    keys: ['rewards/chosen', 'rewards/rejected'],
    caption: 'Implicit rewards of the chosen (solid) and the rejected answers (dashed).',
  },
  {
    id: 'logps',
    title: 'Log-probabilities',
    keys: ['logps/chosen', 'logps/rejected'],
    caption: 'Those of the chosen (solid) and the rejected answers (dashed), summed over their tokens.',
  },
  {
    id: 'rate',
    title: 'Learning rate',
    keys: ['learning_rate'],
    caption: 'The learning rate that the schedule gives each step.',
  },
  {
    id: 'gradient',
    title: 'Gradient norm',
    keys: ['grad_norm'],
    caption: 'The norm of the gradient before it is clipped.',
  },
  {
    id: 'speed',
    title: 'Tokens per second',
    keys: ['tokens_per_second'],
    caption: 'Tokens that a second of training takes; evaluation and saving are left out.',
  },
];
const NO_METRICS = new Set(['step', 'epoch', 'tokens', 'eval_tokens', 'eval_runtime']);

export interface Metric {
  run: string;
  key: string;
  evaluation: boolean;
  points: [number, number][];
}

function column(run: TrainRun, name: string, key: string, evaluation: boolean): Metric {
  const points = run.metrics.flatMap((line): [number, number][] => {
    const step = number(line['step']);
    const value = number(line[evaluation ? `eval_${key}` : key]);
    return step === null || value === null ? [] : [[step, value]];
  });
  return { run: name, key, evaluation, points };
}

/** Names tell runs apart, also where two folders are called alike. */
function namesOf(runs: TrainRun[]): string[] {
  const names = runs.map((run) => oneLine(run.name, 40));
  return names.map((name, i) => (names.indexOf(name) === i ? name : `${name} (${i + 1})`));
}

export function metricsOf(report: Report, keys: string[]): Metric[] {
  const runs = trainings(report);
  const names = namesOf(runs);
  return runs
    .flatMap((run, i) =>
      keys.flatMap((key) => [false, true].map((evaluation) => column(run, names[i] ?? '', key, evaluation))),
    )
    .filter((metric) => metric.points.length > 0);
}

/** Metrics that are not among the panels get one of their own. */
function furtherPanels(report: Report): Panel[] {
  const known = new Set(PANELS.flatMap((panel) => panel.keys));
  const keys = trainings(report)
    .flatMap((run) => run.metrics.flatMap((line) => Object.keys(line)))
    .map((key) => key.replace(/^eval_/, ''));
  return [...new Set(keys)]
    .filter((key) => !known.has(key) && !NO_METRICS.has(key) && !NO_METRICS.has(`eval_${key}`))
    .slice(0, 12)
    .map((key, i) => ({ id: `metric-${i}`, title: oneLine(key, 40), keys: [key], caption: '' }));
}

function seriesName(metric: Metric, runs: number, keys: number): string {
  const words = [runs > 1 ? metric.run : '', keys > 1 ? (metric.key.split('/').at(-1) ?? '') : ''].filter(Boolean);
  const name = words.join(', ') || 'training';
  return metric.evaluation ? `${name === 'training' ? '' : `${name}, `}evaluation` : name;
}

/** Symbols on every few points only, so that a line stays a line. */
function symbolSize(metric: Metric) {
  const every = Math.max(1, Math.ceil(metric.points.length / 8));
  return (_: unknown, parameters: { dataIndex: number }) =>
    metric.evaluation ? 11 : parameters.dataIndex % every === 0 ? 6 : 0;
}

function optionOf(metrics: Metric[], panel: Panel, theme: Theme, width: number): Record<string, unknown> {
  const runs = [...new Set(metrics.map((metric) => metric.run))];
  const keys = [...new Set(metrics.map((metric) => metric.key))];
  const names = metrics.map((metric) => seriesName(metric, runs.length, keys.length));
  const look = (metric: Metric) =>
    nth(
      theme,
      runs.length > 1 ? runs.indexOf(metric.run) : keys.indexOf(metric.key) + (metric.evaluation ? keys.length : 0),
    );
  return {
    ...base(theme),
    grid: { left: 58, right: 16, top: names.length > 1 ? legendHeight(names, width) : 14, bottom: 42 },
    ...(names.length > 1 ? { legend: legend(theme, { data: names }) } : {}),
    tooltip: tooltip(theme, {
      trigger: 'axis',
      valueFormatter: (value: number) => format.general(value),
    }),
    xAxis: {
      ...axis(theme, 'step'),
      type: 'value',
      min: 'dataMin',
      max: 'dataMax',
      nameGap: 24,
      splitLine: { show: false },
      minInterval: 1,
    },
    yAxis: {
      ...axis(theme, panel.title.toLowerCase()),
      name: '',
      type: 'value',
      scale: true,
      splitNumber: 4,
      ...(panel.id === 'accuracies' ? { min: 0, max: 1 } : {}),
      axisLabel: axisLabel(theme, { formatter: (value: number) => format.general(value) }),
    },
    series: metrics.map((metric, i) => ({
      type: 'line',
      name: names[i],
      color: look(metric).colour,
      symbol: look(metric).symbol,
      symbolSize: symbolSize(metric),
      showAllSymbol: true,
      lineStyle: {
        width: metric.evaluation ? 1.2 : 1.6,
        type: metric.evaluation ? [2, 3] : keys.indexOf(metric.key) > 0 ? [6, 4] : 'solid',
      },
      data: metric.points,
      z: metric.evaluation ? 4 : 3,
    })),
  };
}

function figure(report: Report, panel: Panel): Figure[] {
  const metrics = metricsOf(report, panel.keys);
  if (metrics.length === 0) return [];
  return [
    {
      id: `training-${panel.id}`,
      section: 'training',
      title: panel.title,
      span: 'third',
      height: 260,
      caption: panel.caption,
      table: {
        columns: ['run', 'metric', 'step', 'value'],
        rows: metrics.flatMap((metric) =>
          metric.points.map(([step, value]) => [
            metric.run,
            `${metric.evaluation ? 'eval_' : ''}${metric.key}`,
            step,
            value,
          ]),
        ),
      },
      option: (theme, width) => optionOf(metrics, panel, theme, width),
    },
  ];
}

export const training: Chart = {
  figures: (report) => [...PANELS, ...furtherPanels(report)].flatMap((panel) => figure(report, panel)),
};
