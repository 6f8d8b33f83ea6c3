// What a judge said: win rates against the baseline, as they are and at equal length, with intervals of 95 %.

import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { list, number, objects, text } from '../json';
import type { JsonObject } from '../json';
import { oneLine } from '../text';
import { axis, axisLabel, base, legend, legendHeight, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

/** Half of the width of a normal distribution's interval of 95 %, in standard errors. */
const NINETY_FIVE = 1.959963984540054;

interface Rate {
  rate: number;
  low: number | null;
  high: number | null;
}

interface Judged {
  label: string;
  answers: number | null;
  winRate: Rate | null;
  lengthControlled: Rate | null;
}

function winRate(json: JsonObject): Rate | null {
  const rate = number(json['win_rate']);
  const error = number(json['standard_error']);
  if (rate === null) return null;
  const half = error === null ? null : NINETY_FIVE * error;
  return { rate, low: half === null ? null : rate - half, high: half === null ? null : rate + half };
}

function lengthControlled(json: JsonObject): Rate | null {
  const rate = number(json['length_controlled_winrate']);
  const [low, high] = list(json['length_controlled_95']);
  return rate === null ? null : { rate, low: number(low), high: number(high) };
}

function judgedOf(run: SearchRun): Judged[] {
  return objects(run.result?.['judged']).map((json) => ({
    label: oneLine(text(json['label']), 26),
    answers: number(json['n_total']),
    winRate: winRate(json),
    lengthControlled: lengthControlled(json),
  }));
}

const KINDS: { name: string; read: (judged: Judged) => Rate | null }[] = [
  { name: 'win rate', read: (judged) => judged.winRate },
  { name: 'at equal length', read: (judged) => judged.lengthControlled },
];

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

/** The interval as a line, with the kind's mark on it. Data are [rate, low, high, row]. */
function mark(colour: string, kind: number, theme: Theme) {
  return (_: unknown, api: Api) => {
    const [middle, low, high] = [0, 1, 2].map((i) => api.coord([api.value(i), api.value(3)])) as [
      [number, number],
      [number, number],
      [number, number],
    ];
    const x = middle[0];
    const at = middle[1] + (kind === 0 ? -9 : 9);
    return {
      type: 'group',
      children: [
        {
          type: 'line',
          shape: { x1: low[0], y1: at, x2: high[0], y2: at },
          style: { stroke: colour, lineWidth: 2.5 },
        },
        kind === 0
          ? { type: 'circle', shape: { cx: x, cy: at, r: 5.5 }, style: { fill: colour, stroke: theme.paper } }
          : {
              type: 'rect',
              shape: { x: x - 5, y: at - 5, width: 10, height: 10 },
              style: { fill: colour, stroke: theme.paper },
            },
      ],
    };
  };
}

/** A bound that is not known is drawn at the rate itself. */
function data(judged: Judged[], read: (each: Judged) => Rate | null): number[][] {
  return judged.flatMap((each, i) => {
    const found = read(each);
    return found ? [[found.rate, found.low ?? found.rate, found.high ?? found.rate, judged.length - 1 - i]] : [];
  });
}

function optionOf(judged: Judged[], theme: Theme, width: number): Record<string, unknown> {
  const names = KINDS.map((kind) => kind.name);
  const rows = judged.map((each) => each.label).reverse();
  return {
    ...base(theme),
    grid: { left: 12, right: 16, top: legendHeight(names, width), bottom: 42, containLabel: true },
    legend: legend(theme, {
      itemWidth: 10,
      data: names.map((name, i) => ({
        name,
        icon: i === 0 ? 'circle' : 'rect',
        itemStyle: { color: nth(theme, i).colour },
      })),
    }),
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: (of: { seriesName: string; value: number[] }) => {
        const [rate, low, high, row] = of.value as [number, number, number, number];
        const [shown, from, to] = [rate, low, high].map((value) => format.fixed(value, 2));
        return `${rows[row] ?? ''}, ${of.seriesName}\n${shown} % (95 %: ${from} to ${to})`;
      },
    }),
    xAxis: {
      ...axis(theme, 'won against the baseline, in %'),
      type: 'value',
      min: 0,
      max: 100,
      nameGap: 26,
      axisLabel: axisLabel(theme),
    },
    yAxis: {
      ...axis(theme, ''),
      type: 'category',
      data: rows,
      splitLine: { show: false },
      axisTick: { show: false },
    },
    series: KINDS.map((kind, i) => ({
      type: 'custom',
      name: kind.name,
      color: nth(theme, i).colour,
      renderItem: mark(nth(theme, i).colour, i, theme),
      encode: { x: [0, 1, 2], y: 3 },
      data: data(judged, kind.read),
      z: 5,
      ...(i === 0
        ? {
            markLine: {
              silent: true,
              symbol: 'none',
              label: { show: false },
              lineStyle: { color: theme.faint, width: 1.2, type: 'solid' },
              data: [{ xAxis: 50 }],
            },
          }
        : {}),
    })),
  };
}

function figure(run: SearchRun, index: number): Figure | null {
  const judged = judgedOf(run);
  if (judged.length === 0) return null;
  return {
    id: `judged-${index}`,
    section: `search-${index}`,
    title: 'What the judge preferred',
    span: 'full',
    height: 110 + 54 * judged.length,
    caption:
      'Answers that the judge preferred to those of the baseline to the same prompts of the confirming part, with intervals ' +
      'of 95 %. A judge prefers longer answers; the second rate is what a fit makes of it at equal length. At the line, ' +
      'both win alike.',
    table: {
      columns: [
        'model',
        'win rate in %',
        'lower end of 95 %',
        'upper end of 95 %',
        'at equal length in %',
        'lower end of 95 % at equal length',
        'upper end of 95 % at equal length',
        'answers',
      ],
      rows: judged.map((each) => [
        each.label,
        ...KINDS.flatMap(({ read }) => {
          const found = read(each);
          return [found?.rate ?? null, found?.low ?? null, found?.high ?? null];
        }),
        each.answers,
      ]),
    },
    option: (theme, width) => optionOf(judged, theme, width),
  };
}

export const judged: Chart = {
  figures: (report) =>
    searches(report)
      .map(figure)
      .filter((each) => each !== null),
};
