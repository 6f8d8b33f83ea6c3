// Scores and lengths of several searches against α, as in the paper's Figures 5 and 6.

import { alphaAxis, alphaAxisOption } from '../alpha_axis';
import type { Estimate } from '../candidates';
import { competitorsOf } from '../comparison';
import { searches } from '../data';
import type { Report } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { axis, base, legend, legendHeight, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

export interface Compared {
  name: string;
  /** α and the value on the choosing part, on which each α was asked. */
  points: { alpha: number; value: number }[];
  best: number | null;
}

export function comparedBy(report: Report, read: (estimate: Estimate) => number | null): Compared[] {
  return competitorsOf(report)
    .map((each) => ({
      name: each.name,
      best: each.best?.alpha ?? null,
      points: each.family.candidates.flatMap((candidate) => {
        const value = candidate.choosing ? read(candidate.choosing) : null;
        return value === null ? [] : [{ alpha: candidate.alpha, value }];
      }),
    }))
    .filter((each) => each.points.length > 0);
}

function optionOf(
  curves: Compared[],
  name: string,
  scale: boolean,
  theme: Theme,
  width: number,
): Record<string, unknown> {
  const alphas = alphaAxis(curves.flatMap((curve) => curve.points.map((each) => each.alpha)));
  const names = curves.map((curve) => curve.name);
  return {
    ...base(theme),
    grid: { left: 58, right: 18, top: legendHeight(names, width), bottom: 46 },
    legend: legend(theme, { data: names }),
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: ({ seriesName, value }: { seriesName: string; value: number[] }) =>
        `${seriesName}\nα = ${format.alpha(value[2] ?? 0)}: ${format.general(value[1] ?? null)}`,
    }),
    xAxis: alphaAxisOption(theme, alphas, width - 76),
    yAxis: { ...axis(theme, name), type: 'value', scale, nameGap: 42 },
    series: curves.map((curve, i) => {
      const { colour, symbol, dash } = nth(theme, i);
      return {
        type: 'line',
        name: curve.name,
        symbol,
        symbolSize: 8,
        color: colour,
        lineStyle: { type: dash, width: 1.8 },
        data: curve.points.map((each) => [alphas.place(each.alpha), each.value, each.alpha]),
        markLine:
          curve.best === null
            ? undefined
            : {
                silent: true,
                symbol: 'none',
                label: { show: false },
                lineStyle: { color: colour, type: [5, 5], width: 1 },
                data: [{ xAxis: alphas.place(curve.best) }],
              },
      };
    }),
  };
}

function figure(
  id: string,
  title: string,
  name: string,
  curves: Compared[],
  caption: string,
  scale: boolean,
): Figure[] {
  if (curves.length === 0) return [];
  const { sentence } = alphaAxis(curves.flatMap((curve) => curve.points.map((each) => each.alpha)));
  return [
    {
      id,
      section: 'comparison',
      title,
      span: 'half',
      height: 340,
      caption: `${caption} ${sentence}`,
      table: {
        columns: ['checkpoint', 'α', name],
        rows: curves.flatMap((curve) => curve.points.map((each) => [curve.name, each.alpha, each.value])),
      },
      option: (theme, width) => optionOf(curves, name, scale, theme, width),
    },
  ];
}

export const compare: Chart = {
  figures: (report) => {
    if (searches(report).length < 2) return [];
    const lengths = comparedBy(report, (estimate) => estimate.length).filter((curve) =>
      curve.points.some((each) => each.value > 0),
    );
    return [
      ...figure(
        'compared-score',
        'Score against α',
        'mean score',
        comparedBy(report, (estimate) => estimate.mean),
        'Means of the choosing part. Dashed vertical lines: the chosen or best α of each.',
        true,
      ),
      ...figure(
        'compared-length',
        'Length against α',
        'characters',
        lengths,
        'Mean length of an answer on the same prompts.',
        false,
      ),
    ];
  },
};
