// Score against how far an α's answers have gone from θ_sft.

import { candidatesOf } from '../candidates';
import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { NINETY, whiskers } from '../intervals';
import { oneLine } from '../text';
import { axis, base, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

export interface Drifted {
  label: string;
  alpha: number;
  drift: number;
  driftError: number | null;
  fromAligned: number | null;
  mean: number;
  error: number | null;
}

/** What was compared at the end: its drift was measured, and its score on prompts that chose nothing. */
export function driftedOf(run: SearchRun): Drifted[] {
  return candidatesOf(run)
    .flatMap((each) => {
      const mean = each.confirming?.mean ?? null;
      if (each.driftFromSft === null || mean === null) return [];
      return [
        {
          label: each.label,
          alpha: each.alpha,
          drift: each.driftFromSft,
          driftError: each.driftError,
          fromAligned: each.driftFromAligned,
          mean,
          error: each.confirming?.error ?? null,
        },
      ];
    })
    .sort((left, right) => left.drift - right.drift);
}

function nameOf(each: Drifted): string {
  return each.alpha === -1 ? 'SFT' : oneLine(each.label, 30);
}

function driftText(each: Drifted): string {
  const mean = format.fixed(each.drift, 4);
  return each.driftError === null ? mean : `${mean} ± ${format.fixed(each.driftError, 4)}`;
}

function optionOf(points: Drifted[], theme: Theme): Record<string, unknown> {
  const { colour } = nth(theme, 1);
  const intervals = points.flatMap((each): [number, number, number][] =>
    each.error === null ? [] : [[each.drift, each.mean - NINETY * each.error, each.mean + NINETY * each.error]],
  );
  return {
    ...base(theme),
    grid: { left: 58, right: 60, top: 18, bottom: 46 },
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: ({ dataIndex }: { dataIndex: number }) => {
        const each = points[dataIndex];
        return each
          ? `${nameOf(each)}\nscore ${format.fixed(each.mean, 4)}\n${driftText(each)} nats a token from SFT`
          : '';
      },
    }),
    xAxis: {
      ...axis(theme, 'drift from SFT, nats a token'),
      type: 'value',
      scale: true,
      nameGap: 26,
      splitLine: { show: false },
    },
    yAxis: { ...axis(theme, 'mean score'), type: 'value', scale: true, nameGap: 42 },
    series: [
      whiskers(intervals, colour),
      {
        type: 'line',
        name: 'compared',
        symbol: 'rect',
        symbolSize: 9,
        color: colour,
        lineStyle: { width: 1, type: [4, 4], color: theme.faint },
        z: 3,
        data: points.map((each) => ({
          value: [each.drift, each.mean],
          label: {
            show: true,
            formatter: nameOf(each).replace(/[{}]/g, ''),
            position: 'right',
            distance: 7,
            color: theme.text,
            backgroundColor: theme.paper,
            padding: [1, 3],
          },
        })),
      },
    ],
  };
}

function figure(run: SearchRun, number: number): Figure | null {
  const points = driftedOf(run);
  if (points.length < 2) return null;
  return {
    id: `drift-${number}`,
    section: `search-${number}`,
    title: 'Score against drift',
    span: 'half',
    height: 290,
    caption:
      'How far answers have gone from what SFT finds likely: the mean over an answer’s tokens of its log-probability at α minus that at SFT, in ' +
      'nats a token. Whiskers are intervals of 90 % of the mean score on the confirming part; the error of the drift stands in the table.',
    table: {
      columns: ['candidate', 'α', 'drift from SFT', 'its standard error', 'drift from ALIGNED', 'mean score', 'standard error'],
      rows: points.map((each) => [each.label, each.alpha, each.drift, each.driftError, each.fromAligned, each.mean, each.error]),
    },
    option: (theme) => optionOf(points, theme),
  };
}

export const drift: Chart = {
  figures: (report) =>
    searches(report)
      .map(figure)
      .filter((each) => each !== null),
};
