// What rounding makes of an α, in searches and in inspections, and the share of updates that it loses.

import { alphaAxis, alphaAxisOption } from '../alpha_axis';
import { candidatesOf } from '../candidates';
import { inspections, searches } from '../data';
import type { InspectionRun, SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { at, number, objects } from '../json';
import { axis, axisLabel, base, legend, legendHeight, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

interface Bent {
  name: string;
  alpha: number;
  effective: number | null;
  lost: number | null;
}

/** The α that rounding bends; those that it keeps have no effective α in the file. */
export function bentOf(run: SearchRun): Bent[] {
  const all = candidatesOf(run).filter((each) => each.model !== null && each.alpha >= 0);
  if (all.every((each) => each.effective === null)) return [];
  return all.map((each) => ({
    name: each.label,
    alpha: each.alpha,
    effective: each.effective ?? each.alpha,
    lost: null,
  }));
}

export function roundedOf(run: InspectionRun): Bent[] {
  return objects(at(run.inspection, 'total', 'rounding')).map((each) => ({
    name: '',
    alpha: number(each['alpha']) ?? 0,
    effective: number(each['effective_alpha']),
    lost: number(each['lost']),
  }));
}

function effectiveOption(points: Bent[], theme: Theme, width: number): Record<string, unknown> {
  const alphas = alphaAxis(points.map((each) => each.alpha));
  const { colour, symbol } = nth(theme, 0);
  const names = ['as asked', 'after rounding'];
  const line = (name: string, data: unknown[], more: object) => ({ type: 'line', name, data, ...more });
  return {
    ...base(theme),
    grid: { left: 58, right: 18, top: legendHeight(names, width), bottom: 46 },
    legend: legend(theme, { data: names }),
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: ({ value }: { value: (number | null)[] }) =>
        `α = ${format.alpha(value[2] ?? 0)} acts as ${format.general(value[1] ?? null)}`,
    }),
    xAxis: alphaAxisOption(theme, alphas, width - 76),
    yAxis: {
      ...axis(theme, 'effective α'),
      type: 'value',
      nameGap: 36,
      axisLabel: axisLabel(theme, { formatter: (value: number) => format.general(value) }),
    },
    series: [
      line(
        'as asked',
        alphas.alphas.map((each) => [alphas.place(each), each, each]),
        { symbol: 'none', color: theme.faint, lineStyle: { type: [2, 3], color: theme.faint } },
      ),
      line(
        'after rounding',
        points.map((each) => [alphas.place(each.alpha), each.effective, each.alpha]),
        { symbol, symbolSize: 8, color: colour, lineStyle: { width: points.some((each) => each.name) ? 0 : 1.5 } },
      ),
    ],
  };
}

function lostOption(points: Bent[], theme: Theme, width: number): Record<string, unknown> {
  const alphas = alphaAxis(points.map((each) => each.alpha));
  const { colour, symbol } = nth(theme, 1);
  return {
    ...base(theme),
    grid: { left: 58, right: 18, top: 18, bottom: 46 },
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: ({ value }: { value: (number | null)[] }) =>
        `α = ${format.alpha(value[2] ?? 0)}: ${format.percent(value[1] ?? null)} lost`,
    }),
    xAxis: alphaAxisOption(theme, alphas, width - 76),
    yAxis: {
      ...axis(theme, 'share of updates lost'),
      type: 'value',
      min: 0,
      nameGap: 42,
      axisLabel: axisLabel(theme, {
        formatter: (value: number) => format.percent(value, 0),
      }),
    },
    series: [
      {
        type: 'line',
        name: 'lost',
        symbol,
        symbolSize: 8,
        color: colour,
        data: points.map((each) => [alphas.place(each.alpha), each.lost, each.alpha]),
      },
    ],
  };
}

function tableOf(points: Bent[]) {
  return {
    columns: ['candidate', 'α', 'effective α', 'share of updates lost'],
    rows: points.map((each) => [each.name || `α = ${format.alpha(each.alpha)}`, each.alpha, each.effective, each.lost]),
  };
}

function searchFigure(run: SearchRun, index: number): Figure[] {
  const points = bentOf(run);
  if (points.length === 0) return [];
  return [
    {
      id: `effective-${index}`,
      section: `search-${index}`,
      title: 'Effective α',
      span: 'half',
      height: 290,
      table: tableOf(points),
      caption:
        'What is left of an α after rounding to the type of the search: the slope of the applied change on Δ. On the dotted line ' +
        'nothing is lost.',
      option: (theme, width) => effectiveOption(points, theme, width),
    },
  ];
}

function inspectionFigures(run: InspectionRun, index: number): Figure[] {
  const points = roundedOf(run);
  if (points.length === 0) return [];
  const type = String(at(run.inspection, 'out_dtype') ?? 'the type of ALIGNED');
  const common = { section: `inspection-${index}`, span: 'half' as const, height: 270, table: tableOf(points) };
  return [
    {
      ...common,
      id: `rounded-${index}`,
      title: 'Effective α',
      option: (theme, width) => effectiveOption(points, theme, width),
      caption: `What rounding to nearest ${type} leaves of an α. α = 0 is what a server makes of ALIGNED.`,
    },
    {
      ...common,
      id: `lost-${index}`,
      title: 'Lost updates',
      option: (theme, width) => lostOption(points, theme, width),
      caption: `Share of the changed weights that round back to the value of SFT in ${type}.`,
    },
  ];
}

export const effective: Chart = {
  figures: (report) => [...searches(report).flatMap(searchFigure), ...inspections(report).flatMap(inspectionFigures)],
};
