// Generated tokens, look by look, against what the full grid would have taken.

import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { number as numberOf } from '../json';
import { budgetOf, gridTokens, raceOf } from '../looks';
import { axis, axisLabel, base, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

export interface Spent {
  name: string;
  tokens: number;
}

export function spentOf(run: SearchRun): Spent[] {
  const looks = raceOf(run).looks.flatMap((look) =>
    look.tokens === null ? [] : [{ name: `look ${look.number}`, tokens: look.tokens }],
  );
  const choosing = numberOf(run.result?.['choosing_tokens']);
  const confirmed = numberOf(run.looks.find((line) => 'confirmed' in line)?.['tokens']);
  const last = looks.at(-1)?.tokens ?? 0;
  if (choosing !== null && choosing > last) looks.push({ name: 'choice', tokens: choosing });
  if (confirmed !== null) looks.push({ name: 'confirmed', tokens: confirmed });
  return looks;
}

/** What the tokens are measured by: dashed lines across the figure. */
function levelsOf(grid: number | null, budget: number | null, theme: Theme): Record<string, unknown> {
  const data = [
    ...(grid === null ? [] : [{ yAxis: grid, name: `the full grid’s choice: about ${format.count(grid)}` }]),
    ...(budget === null ? [] : [{ yAxis: budget, name: `budget: ${format.count(budget)}` }]),
  ];
  const label = { formatter: '{b}', position: 'insideStartTop', color: theme.text };
  return { silent: true, symbol: 'none', data, label, lineStyle: { color: theme.bad, type: [6, 4], width: 1.4 } };
}

function axesOf(spent: Spent[], top: number, theme: Theme): Record<string, unknown> {
  const names = {
    data: ['start', ...spent.map((each) => each.name)],
    axisLabel: axisLabel(theme, { alignMaxLabel: 'right' }),
  };
  const label = axisLabel(theme, { formatter: (value: number) => format.count(value), showMaxLabel: false });
  return {
    xAxis: { ...axis(theme, ''), type: 'category', ...names, boundaryGap: false, splitLine: { show: false } },
    yAxis: {
      ...axis(theme, 'tokens in all'),
      type: 'value',
      min: 0,
      max: top * 1.12,
      nameGap: 54,
      splitNumber: 4,
      axisLabel: label,
    },
  };
}

function optionOf(spent: Spent[], grid: number | null, budget: number | null, theme: Theme): Record<string, unknown> {
  const { colour, symbol } = nth(theme, 0);
  const top = Math.max(grid ?? 0, budget ?? 0, ...spent.map((each) => each.tokens));
  const shown = ({ dataIndex }: { dataIndex: number }) => {
    const each = dataIndex > 0 ? spent[dataIndex - 1] : undefined;
    return each ? `${each.name}: ${format.count(each.tokens)} tokens in all` : '';
  };
  return {
    ...base(theme),
    grid: { left: 70, right: 24, top: 22, bottom: 34 },
    tooltip: tooltip(theme, { trigger: 'item', formatter: shown }),
    ...axesOf(spent, top, theme),
    series: [
      {
        type: 'line',
        name: 'tokens',
        symbol,
        symbolSize: 8,
        color: colour,
        lineStyle: { width: 2 },
        areaStyle: { color: colour, opacity: 0.08 },
        data: [0, ...spent.map((each) => each.tokens)],
        markLine: levelsOf(grid, budget, theme),
      },
    ],
  };
}

function figure(run: SearchRun, number: number): Figure | null {
  const spent = spentOf(run);
  if (raceOf(run).looks.length < 2) return null;
  const grid = gridTokens(run);
  return {
    id: `tokens-${number}`,
    section: `search-${number}`,
    title: 'Tokens against the full grid',
    span: 'half',
    height: 290,
    caption:
      'Generated tokens in all. The full grid asks each α of the race on every prompt that chooses, at the mean price of the ' +
      'answers that it gave here (the limit of tokens where answers never ended); this is an estimate.',
    table: {
      columns: ['after', 'tokens in all', 'the full grid (estimate)', 'budget'],
      rows: spent.map((each) => [each.name, each.tokens, grid, budgetOf(run)]),
    },
    option: (theme) => optionOf(spent, grid, budgetOf(run), theme),
  };
}

export const tokens: Chart = {
  figures: (report) =>
    searches(report)
      .map(figure)
      .filter((each) => each !== null),
};
