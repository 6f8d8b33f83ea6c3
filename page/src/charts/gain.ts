// The differences that the verdict rests on, with their intervals, against the line of no difference.

import { chosenOf } from '../candidates';
import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { NINETY } from '../intervals';
import { at, list, number } from '../json';
import type { Json } from '../json';
import { oneLine } from '../text';
import { axis, axisLabel, base, tooltip, FONT } from '../theme';
import type { Theme } from '../theme';

export interface Difference {
  name: string;
  gain: number;
  /** Open ends are null. */
  low: number | null;
  high: number | null;
  p: number | null;
  prompts: number | null;
}

function tested(name: string, comparison: Json | undefined): Difference[] {
  const gain = number(at(comparison, 'gain'));
  if (gain === null) return [];
  const [low, high] = list(at(comparison, 'interval'));
  return [
    {
      name,
      gain,
      low: number(low),
      high: number(high),
      p: number(at(comparison, 'p')),
      prompts: number(at(comparison, 'prompts')),
    },
  ];
}

function atEqualLength(comparison: Json | undefined): Difference[] {
  const gain = number(at(comparison, 'at_equal_length', 'gain'));
  const error = number(at(comparison, 'at_equal_length', 'standard_error'));
  if (gain === null || error === null) return [];
  return [
    {
      name: '… at equal length',
      gain,
      low: gain - NINETY * error,
      high: gain + NINETY * error,
      p: null,
      prompts: number(at(comparison, 'prompts')),
    },
  ];
}

export function differencesOf(run: SearchRun): Difference[] {
  const { result } = run;
  const chosen = oneLine(chosenOf(run)?.label ?? 'chosen', 26);
  const baseline = oneLine(String(result?.['baseline'] ?? 'α = 0'), 26);
  const confirmation = result?.['confirmation'];
  return [
    ...tested('ALIGNED against SFT', result?.['training']),
    ...tested(`${chosen} against ${baseline}`, confirmation),
    ...atEqualLength(confirmation),
    ...tested('α by module against α for all', at(result, 'modules', 'confirmation')),
  ];
}

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

/** A row: the interval as a bar, and the gain as a dot on it. Open ends reach the edge. */
function row(theme: Theme, differences: Difference[], reach: number) {
  return (parameters: { dataIndex: number }, api: Api) => {
    const each = differences[parameters.dataIndex];
    if (!each) return null;
    const y = differences.length - 1 - parameters.dataIndex;
    const [low, high, middle] = [each.low ?? -reach, each.high ?? reach, each.gain].map((x) => api.coord([x, y])) as [
      [number, number],
      [number, number],
      [number, number],
    ];
    const colour = (each.low ?? -reach) > 0 ? theme.good : (each.high ?? reach) < 0 ? theme.bad : theme.text;
    return {
      type: 'group',
      children: [
        {
          type: 'line',
          shape: { x1: low[0], y1: low[1], x2: high[0], y2: high[1] },
          style: { stroke: colour, lineWidth: 3 },
        },
        {
          type: 'circle',
          shape: { cx: middle[0], cy: middle[1], r: 6 },
          style: { fill: colour, stroke: theme.paper, lineWidth: 1.5 },
        },
        {
          type: 'text',
          style: {
            text: `${each.name}   ${format.signed(each.gain)}`,
            x: api.coord([-reach, y])[0],
            y: middle[1] - 20,
            fill: theme.text,
            stroke: theme.paper,
            lineWidth: 3,
            fontSize: 12.5,
            fontWeight: 600,
            fontFamily: FONT,
          },
        },
      ],
    };
  };
}

function optionOf(differences: Difference[], theme: Theme): Record<string, unknown> {
  const reach =
    1.12 *
      Math.max(
        ...differences.flatMap((each) => [each.low, each.high, each.gain].map((value) => Math.abs(value ?? 0))),
      ) || 1;
  return {
    ...base(theme),
    grid: { left: 12, right: 12, top: 22, bottom: 42 },
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: (at_: { dataIndex: number }) => sentenceOf(differences[at_.dataIndex]),
    }),
    xAxis: {
      ...axis(theme, 'difference of mean scores'),
      type: 'value',
      min: -reach,
      max: reach,
      nameGap: 26,
      splitNumber: 4,
      axisLabel: axisLabel(theme, {
        showMinLabel: false,
        showMaxLabel: false,
        formatter: (value: number) => format.signed(value, reach < 0.05 ? 3 : 2),
      }),
    },
    yAxis: { type: 'value', min: -0.5, max: differences.length - 0.3, show: false },
    series: [
      {
        type: 'custom',
        name: 'difference',
        z: 6,
        renderItem: row(theme, differences, reach),
        encode: { x: [0, 1, 2] },
        data: differences.map((each) => [each.gain, each.low, each.high]),
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          lineStyle: { color: theme.faint, width: 1.2, type: 'solid' },
          data: [{ xAxis: 0 }],
        },
      },
    ],
  };
}

function sentenceOf(each: Difference | undefined): string {
  if (!each) return '';
  const bound = (value: number | null, open: string) => (value === null ? open : format.signed(value, 4));
  return (
    `${each.name}\n${format.signed(each.gain, 4)} (90 %: ${bound(each.low, '−∞')} to ${bound(each.high, '∞')})` +
    `${each.p === null ? '' : `\n${format.pValue(each.p)}`}`
  );
}

function figure(run: SearchRun, index: number): Figure | null {
  const differences = differencesOf(run);
  if (differences.length === 0) return null;
  return {
    id: `gain-${index}`,
    section: `verdict-${index}`,
    title: 'Gain, where nothing was chosen',
    span: 'full',
    height: 64 + 54 * differences.length,
    caption: 'Differences on the confirming part, with intervals of 90 %. Right of the line is better.',
    table: {
      columns: ['comparison', 'difference', 'lower end of 90 %', 'upper end of 90 %', 'p', 'prompts'],
      rows: differences.map((each) => [each.name, each.gain, each.low, each.high, each.p, each.prompts]),
    },
    option: (theme) => optionOf(differences, theme),
  };
}

export const gain: Chart = {
  figures: (report) =>
    searches(report)
      .map(figure)
      .filter((each) => each !== null),
};
