// The points of a search for an α of each kind of module: their scores over each of the four parameters.

import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { NINETY, whiskers } from '../intervals';
import { at, isObject, number, objects } from '../json';
import { axis, base, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

const PARAMETERS = ['attention', 'mlp', 'rest', 'slope'] as const;
const NAMES = { attention: 'attention ×', mlp: 'MLP ×', rest: 'the rest ×', slope: 'slope over depth' };

export interface ModulePoint {
  values: number[];
  alpha: number | null;
  prompts: number | null;
  mean: number;
  error: number | null;
  chosen: boolean;
}

export function modulePoints(run: SearchRun): ModulePoint[] {
  const modules = at(run.result, 'modules');
  if (!isObject(modules)) return [];
  const chosen = PARAMETERS.map((name) => number(at(modules, 'parameters', name)));
  return objects(modules['points']).flatMap((each) => {
    const mean = number(each['mean']);
    const values = PARAMETERS.map((name) => number(each[name]) ?? NaN);
    if (mean === null || values.some(Number.isNaN)) return [];
    return [
      {
        values,
        mean,
        alpha: number(each['alpha']),
        prompts: number(each['prompts']),
        error: number(each['standard_error']),
        chosen: values.every((value, i) => value === chosen[i]),
      },
    ];
  });
}

function panel(points: ModulePoint[], theme: Theme, index: number): Record<string, unknown>[] {
  const { colour, symbol } = nth(theme, index);
  const place = { xAxisIndex: index, yAxisIndex: index };
  const intervals = points.flatMap((each): [number, number, number][] =>
    each.error === null
      ? []
      : [[each.values[index] ?? 0, each.mean - NINETY * each.error, each.mean + NINETY * each.error]],
  );
  return [
    whiskers(intervals, theme.line, 1.2, place),
    {
      ...place,
      type: 'scatter',
      name: PARAMETERS[index],
      symbol,
      color: colour,
      z: 3,
      data: points.map((each) => ({
        value: [each.values[index], each.mean],
        symbolSize: each.chosen ? 13 : 8,
        itemStyle: { color: each.chosen ? colour : theme.paper, borderColor: colour, borderWidth: 1.6 },
      })),
    },
  ];
}

function optionOf(points: ModulePoint[], theme: Theme, width: number): Record<string, unknown> {
  const across = width < 640 ? 2 : 4;
  const rows = PARAMETERS.length / across;
  const grids = PARAMETERS.map((_, i) => ({
    left: 50 + ((width - 60) / across) * (i % across),
    width: (width - 60) / across - 34,
    top: 14 + (300 / rows) * Math.floor(i / across),
    height: 300 / rows - 66,
  }));
  return {
    ...base(theme),
    grid: grids,
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: ({ dataIndex }: { dataIndex: number }) => {
        const each = points[dataIndex];
        return each
          ? `${PARAMETERS.map((name, i) => `${NAMES[name]} ${format.general(each.values[i] ?? null)}`).join('\n')}\nscore ${format.fixed(each.mean, 4)}`
          : '';
      },
    }),
    xAxis: PARAMETERS.map((name, i) => ({
      ...axis(theme, NAMES[name]),
      type: 'value',
      gridIndex: i,
      scale: true,
      nameGap: 24,
      splitNumber: 3,
      splitLine: { show: false },
    })),
    yAxis: PARAMETERS.map((_, i) => ({
      ...axis(theme, i % across === 0 ? 'mean score' : ''),
      type: 'value',
      gridIndex: i,
      scale: true,
      nameGap: 36,
      splitNumber: 4,
    })),
    series: PARAMETERS.flatMap((_, i) => panel(points, theme, i)),
  };
}

function figure(run: SearchRun, index: number): Figure | null {
  const points = modulePoints(run);
  if (points.length === 0) return null;
  return {
    id: `modules-${index}`,
    section: `search-${index}`,
    title: 'An α for each kind of module',
    span: 'full',
    height: 320,
    caption:
      'Each point varies all four parameters at once around the best uniform α, so that each stands in all four panels; means of the ' +
      'choosing part with intervals of 90 %. The filled point is the chosen one.',
    table: {
      columns: ['α', ...PARAMETERS.map((name) => NAMES[name]), 'prompts', 'mean score', 'standard error', 'chosen'],
      rows: points.map((each) => [
        each.alpha,
        ...each.values,
        each.prompts,
        each.mean,
        each.error,
        each.chosen ? 'chosen' : '',
      ]),
    },
    option: (theme, width) => optionOf(points, theme, width),
  };
}

export const modules: Chart = {
  figures: (report) =>
    searches(report)
      .map(figure)
      .filter((each) => each !== null),
};
