// What rounding makes of an α, in searches and in inspections, and the share of updates that it loses.

import { alphaAxis, alphaAxisOption } from '../alpha_axis';
import { familiesOf } from '../candidates';
import { inspections, searches } from '../data';
import type { InspectionRun, SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { at, number, objects, text } from '../json';
import { oneLine } from '../text';
import { axis, axisLabel, base, legend, legendHeight, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

interface Rounded {
  name: string;
  alpha: number;
  effective: number | null;
  lost: number | null;
}

/** The α of one checkpoint, which has a name where there are several. */
interface Curve {
  name: string;
  points: Rounded[];
}

/** None if nothing was measured. Files of an earlier version name the α that rounding bends, and no lost updates. */
export function roundedIn(run: SearchRun): Curve[] {
  const families = familiesOf(run);
  const all = families.flatMap((family) => family.candidates);
  if (all.every((each) => each.effective === null)) return [];
  const isEarlier = all.every((each) => each.lost === null);
  return families.map((family) => ({
    name: families.length > 1 ? family.name : '',
    points: family.candidates.map((each) => ({
      name: each.label,
      alpha: each.alpha,
      effective: each.effective ?? (isEarlier ? each.alpha : null),
      lost: each.lost,
    })),
  }));
}

export function roundedOf(run: InspectionRun): Curve[] {
  const points = objects(at(run.inspection, 'total', 'rounding')).map((each) => ({
    name: '',
    alpha: number(each['alpha']) ?? 0,
    effective: number(each['effective_alpha']),
    lost: number(each['lost']),
  }));
  return points.length > 0 ? [{ name: '', points }] : [];
}

function alphasOf(curves: Curve[]): number[] {
  return curves.flatMap((curve) => curve.points.map((each) => each.alpha));
}

function namesOf(curves: Curve[], alone: string): string[] {
  return curves.map((curve) => (curve.name ? oneLine(curve.name, 30) : alone));
}

/** A line for each checkpoint; colours begin with the `first`. */
function lines(curves: Curve[], names: string[], theme: Theme, first: number, data: (points: Rounded[]) => unknown[]) {
  return curves.map((curve, i) => {
    const { colour, symbol, dash } = nth(theme, first + i);
    return {
      type: 'line',
      name: names[i],
      symbol,
      symbolSize: 8,
      color: colour,
      lineStyle: { width: 1.5, type: dash },
      data: data(curve.points),
    };
  });
}

function effectiveOption(curves: Curve[], theme: Theme, width: number): Record<string, unknown> {
  const alphas = alphaAxis(alphasOf(curves));
  const names = namesOf(curves, 'after rounding');
  const all = ['as asked', ...names];
  return {
    ...base(theme),
    grid: { left: 58, right: 18, top: legendHeight(all, width), bottom: 46 },
    legend: legend(theme, { data: all }),
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
      {
        type: 'line',
        name: 'as asked',
        data: alphas.alphas.map((each) => [alphas.place(each), each, each]),
        symbol: 'none',
        color: theme.faint,
        lineStyle: { type: [2, 3], color: theme.faint },
      },
      ...lines(curves, names, theme, 0, (points) =>
        points.map((each) => [alphas.place(each.alpha), each.effective, each.alpha]),
      ),
    ],
  };
}

function lostOption(curves: Curve[], theme: Theme, width: number): Record<string, unknown> {
  const alphas = alphaAxis(alphasOf(curves));
  const names = namesOf(curves, 'lost');
  const largest = Math.max(...curves.flatMap((curve) => curve.points.map((each) => each.lost ?? 0)));
  const hasLegend = curves.length > 1;
  return {
    ...base(theme),
    grid: { left: 58, right: 18, top: hasLegend ? legendHeight(names, width) : 18, bottom: 46 },
    ...(hasLegend && { legend: legend(theme, { data: names }) }),
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
      ...(largest === 0 && { max: 1 }),
      nameGap: 42,
      axisLabel: axisLabel(theme, {
        formatter: (value: number) => format.percent(value, largest > 0 && largest < 0.05 ? 1 : 0),
      }),
    },
    series: lines(curves, names, theme, hasLegend ? 0 : 1, (points) =>
      points.flatMap((each) => (each.lost === null ? [] : [[alphas.place(each.alpha), each.lost, each.alpha]])),
    ),
  };
}

function tableOf(curves: Curve[]) {
  const points = curves.flatMap((curve) => curve.points);
  return {
    columns: ['candidate', 'α', 'effective α', 'share of updates lost'],
    rows: points.map((each) => [each.name || `α = ${format.alpha(each.alpha)}`, each.alpha, each.effective, each.lost]),
  };
}

function settingOf(run: SearchRun): string {
  const rounding = text(at(run.result, 'setting', 'rounding'));
  return `${rounding === 'nearest' ? 'to nearest' : 'stochastically'} in ${text(at(run.result, 'setting', 'dtype'))}`;
}

function searchFigures(run: SearchRun, index: number): Figure[] {
  const curves = roundedIn(run);
  if (curves.length === 0) return [];
  const common = { section: `search-${index}`, span: 'half' as const, height: 290, table: tableOf(curves) };
  const figures: Figure[] = [
    {
      ...common,
      id: `effective-${index}`,
      title: 'Effective α',
      caption:
        `The effective α is what is left of an α once the model is rounded ${settingOf(run)}, as all models of this ` +
        'search are: the slope of the applied change on Δ, judged by a sample of the weights. On the dotted line nothing ' +
        'is lost.',
      option: (theme, width) => effectiveOption(curves, theme, width),
    },
  ];
  if (curves.some((curve) => curve.points.some((each) => each.lost !== null))) {
    figures.push({
      ...common,
      id: `lost-updates-${index}`,
      title: 'Lost updates',
      caption:
        `Share of the weights that training has changed whose extrapolation, rounded ${settingOf(run)}, is the weight of ` +
        'ALIGNED again, judged by a sample of the weights.',
      option: (theme, width) => lostOption(curves, theme, width),
    });
  }
  return figures;
}

function inspectionFigures(run: InspectionRun, index: number): Figure[] {
  const curves = roundedOf(run);
  if (curves.length === 0) return [];
  const type = String(at(run.inspection, 'out_dtype') ?? 'the type of ALIGNED');
  const common = { section: `inspection-${index}`, span: 'half' as const, height: 270, table: tableOf(curves) };
  return [
    {
      ...common,
      id: `rounded-${index}`,
      title: 'Effective α',
      option: (theme, width) => effectiveOption(curves, theme, width),
      caption: `What rounding to nearest ${type} leaves of an α. α = 0 is what a server makes of ALIGNED.`,
    },
    {
      ...common,
      id: `lost-${index}`,
      title: 'Lost updates',
      option: (theme, width) => lostOption(curves, theme, width),
      caption: `Share of the changed weights whose extrapolation, rounded to nearest ${type}, is the weight of ALIGNED again.`,
    },
  ];
}

export const effective: Chart = {
  figures: (report) => [...searches(report).flatMap(searchFigures), ...inspections(report).flatMap(inspectionFigures)],
};
