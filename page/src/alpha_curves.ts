// A measure against α: one curve for each checkpoint and part of the prompts. Score, length and their like are drawn so.

import { alphaAxis, alphaAxisOption } from './alpha_axis';
import type { AlphaAxis } from './alpha_axis';
import { baselinesOf, candidatesOf, familiesOf, sftOf } from './candidates';
import type { Candidate, Estimate } from './candidates';
import type { SearchRun } from './data';
import type { Figure, Table } from './figure';
import * as format from './format';
import { NINETY, whiskers } from './intervals';
import { axis, axisLabel, base, legend, legendHeight, SYMBOLS, tooltip } from './theme';
import type { Theme } from './theme';
import { oneLine } from './text';

export interface Measure {
  id: string;
  title: string;
  /** The name of the axis. */
  axis: string;
  read(estimate: Estimate): number | null;
  error?(estimate: Estimate): number | null;
  show(value: number | null): string;
  percent?: boolean;
}

export interface Point {
  alpha: number;
  label: string;
  value: number;
  /** The ends of the interval of 90 %; null where no standard error is known. */
  low: number | null;
  high: number | null;
  prompts: number | null;
  chosen: boolean;
}

type Part = 'choosing' | 'confirming';
const PARTS: Part[] = ['choosing', 'confirming'];

export interface Curve {
  name: string;
  part: Part;
  points: Point[];
}

function pointsOf(candidates: Candidate[], part: Part, measure: Measure): Point[] {
  return candidates.flatMap((each) => {
    const estimate = each[part];
    const value = estimate ? measure.read(estimate) : null;
    if (!estimate || value === null) return [];
    const error = measure.error?.(estimate) ?? null;
    const reach = error === null ? null : NINETY * error;
    return [
      {
        alpha: each.alpha,
        label: each.label,
        value,
        chosen: each.chosen,
        prompts: estimate.prompts,
        low: reach === null ? null : value - reach,
        high: reach === null ? null : value + reach,
      },
    ];
  });
}

/** SFT belongs to the only checkpoint; where there are several it is a curve of one point. */
export function curvesOf(run: SearchRun, measure: Measure): Curve[] {
  const families = familiesOf(run);
  const sft = sftOf(run);
  const several = families.length > 1;
  const curves = families.flatMap((family) =>
    PARTS.map((part) => ({
      name: several ? oneLine(family.name, 40) : '',
      part,
      points: pointsOf(sft && !several ? [sft, ...family.candidates] : family.candidates, part, measure),
    })),
  );
  if (sft && several)
    curves.push(...PARTS.map((part) => ({ name: 'SFT', part, points: pointsOf([sft], part, measure) })));
  return curves.filter((curve) => curve.points.length > 0);
}

export function standing(each: Candidate): string {
  if (each.chosen) return 'chosen';
  if (each.collapsed) return 'dropped: its answers collapse';
  if (!each.eligible && each.model !== null) return 'against a guard';
  return each.tied ? 'not told apart from the best' : '';
}

function tableOf(run: SearchRun, measure: Measure): Table {
  const errors = measure.error ? ['standard error'] : [];
  const rows = candidatesOf(run).map((each) => [
    each.label,
    each.alpha,
    ...PARTS.flatMap((part) => {
      const estimate = each[part];
      if (!estimate) return [null, null, ...errors.map(() => null)];
      return [estimate.prompts, measure.read(estimate), ...errors.map(() => measure.error?.(estimate) ?? null)];
    }),
    standing(each),
  ]);
  const columns = PARTS.flatMap((part) => ['prompts', measure.axis, ...errors].map((name) => `${name}, ${part} part`));
  return { columns: ['candidate', 'α', ...columns, 'standing'], rows };
}

interface Style {
  colour: string;
  symbol: string;
}

/** Of one checkpoint the parts have colours; of several the checkpoints have. */
function styleOf(theme: Theme, curve: Curve, names: string[]): Style {
  const number = names.length > 1 ? names.indexOf(curve.name) : PARTS.indexOf(curve.part);
  return {
    colour: theme.series[number % theme.series.length] ?? theme.text,
    symbol: SYMBOLS[number % SYMBOLS.length] ?? 'circle',
  };
}

const curveName = (curve: Curve) => (curve.name ? `${curve.name}, ${curve.part}` : `${curve.part} part`);

/** The parts stand side by side rather than over each other. */
function series(
  theme: Theme,
  curve: Curve,
  style: Style,
  x: (each: Point) => number,
): Record<string, unknown>[] {
  const confirming = curve.part === 'confirming';
  const intervals = curve.points.flatMap((each): [number, number, number][] =>
    each.low === null || each.high === null ? [] : [[x(each), each.low, each.high]],
  );
  return [
    whiskers(intervals, style.colour, confirming ? 2 : 1),
    {
      type: 'line',
      name: curveName(curve),
      symbol: style.symbol,
      color: style.colour,
      z: confirming ? 4 : 3,
      itemStyle: { color: confirming ? style.colour : theme.paper, borderColor: style.colour, borderWidth: 1.5 },
      lineStyle: { type: [4, 4], width: confirming ? 0 : 1.2, color: style.colour },
      data: curve.points.map((each) => ({
        value: [x(each), each.value, each.alpha, each.low, each.high, each.prompts],
        symbolSize: each.chosen ? 12 : confirming ? 9 : 7,
      })),
    },
  ];
}

/** The word over what was chosen, above its whisker, as points of other α stand beside it. */
function chosenLabel(theme: Theme, curves: Curve[], alphas: AlphaAxis): Record<string, unknown>[] {
  const chosen = curves.flatMap((curve) => curve.points.filter((each) => each.chosen));
  if (chosen.length === 0) return [];
  const top = Math.max(...chosen.map((each) => each.high ?? each.value));
  const label = { show: true, formatter: 'chosen', position: 'top', distance: 6, color: theme.text, fontWeight: 600 };
  return [
    {
      type: 'line',
      silent: true,
      symbol: 'circle',
      symbolSize: 1,
      color: theme.text,
      lineStyle: { type: 'solid', width: 0 },
      itemStyle: { color: 'transparent' },
      z: 5,
      data: [{ value: [alphas.place(chosen[0]?.alpha ?? 0), top], label }],
    },
  ];
}

function tooltipOf(measure: Measure) {
  return (parameters: { seriesName: string; value: (number | null)[] }): string => {
    const [, value, alpha, low, high, prompts] = parameters.value;
    const range = low === null ? '' : `\n90 %: ${measure.show(low ?? null)} to ${measure.show(high ?? null)}`;
    const asked = prompts ? `\n${format.plural(prompts, 'prompt')}` : '';
    return `${parameters.seriesName}\nα = ${format.alpha(alpha ?? 0)}: ${measure.show(value ?? null)}${range}${asked}`;
  };
}

function levelsOf(run: SearchRun, measure: Measure): { yAxis: number; name: string }[] {
  return baselinesOf(run).flatMap((each) => {
    const estimate = each.confirming ?? each.choosing;
    const value = estimate ? measure.read(estimate) : null;
    return value === null ? [] : [{ yAxis: value, name: oneLine(each.label, 40) }];
  });
}

/** Where a checkpoint's mean is largest, as the dashed lines of the paper's Figure 5. */
function summitsOf(curves: Curve[]): { curve: Curve; alpha: number }[] {
  const climbed = curves.filter((curve) => curve.part === 'choosing' && curve.points.length > 1);
  if (climbed.length < 2) return [];
  return climbed.map((curve) => ({
    curve,
    alpha: curve.points.reduce((best, each) => (each.value > best.value ? each : best)).alpha,
  }));
}

function allSeries(curves: Curve[], measure: Measure, theme: Theme, alphas: AlphaAxis): Record<string, unknown>[] {
  const names = [...new Set(curves.map((curve) => curve.name))];
  const places = alphas.alphas.map(alphas.place);
  const shift = (Math.max(...places) - Math.min(...places)) * 0.004;
  const x = (curve: Curve) => (each: Point) =>
    alphas.place(each.alpha) + (curve.part === 'confirming' ? shift : -shift);
  const all = curves.flatMap((curve) => series(theme, curve, styleOf(theme, curve, names), x(curve)));
  for (const { curve, alpha } of measure.error ? summitsOf(curves) : []) {
    const line = { color: styleOf(theme, curve, names).colour, type: [6, 5], width: 1 };
    const drawn = all.find((one) => one['name'] === curveName(curve));
    if (drawn)
      drawn['markLine'] = {
        silent: true,
        symbol: 'none',
        label: { show: false },
        lineStyle: line,
        data: [{ xAxis: alphas.place(alpha) }],
      };
  }
  return all;
}

/** Models without an α are levels that others are measured by. */
function levelSeries(run: SearchRun, measure: Measure, theme: Theme): Record<string, unknown>[] {
  const data = levelsOf(run, measure);
  if (data.length === 0) return [];
  const label = { formatter: '{b}', position: 'insideEndTop', color: theme.text };
  const lineStyle = { color: theme.text, type: [2, 3], width: 1.2 };
  return [
    { type: 'line', name: 'baseline', data: [], markLine: { silent: true, symbol: 'none', data, lineStyle, label } },
  ];
}

function optionOf(
  run: SearchRun,
  measure: Measure,
  isMain: boolean,
  theme: Theme,
  width: number,
): Record<string, unknown> {
  const curves = curvesOf(run, measure);
  const names = curves.map(curveName);
  const alphas = alphaAxis(curves.flatMap((curve) => curve.points.map((each) => each.alpha)));
  const labels = { axisLabel: axisLabel(theme, { formatter: measure.percent ? percents(curves) : format.general }) };
  return {
    ...base(theme),
    grid: { left: 58, right: 18, top: legendHeight(names, width), bottom: 46 },
    legend: legend(theme, { data: names }),
    tooltip: tooltip(theme, { trigger: 'item', formatter: tooltipOf(measure) }),
    xAxis: alphaAxisOption(theme, alphas, width - 76),
    yAxis: { ...axis(theme, measure.axis), type: 'value', scale: Boolean(measure.error), nameGap: 42, ...labels },
    series: [
      ...allSeries(curves, measure, theme, alphas),
      ...levelSeries(run, measure, theme),
      ...(isMain ? chosenLabel(theme, curves, alphas) : []),
    ],
  };
}

function percents(curves: Curve[]): (value: number) => string {
  const largest = Math.max(...curves.flatMap((curve) => curve.points.map((each) => each.value)));
  return (value) => format.percent(value, largest < 0.05 ? 1 : 0);
}

/** null where the search has no value of this measure. */
export function alphaFigure(
  run: SearchRun,
  number: number,
  measure: Measure,
  layout: Pick<Figure, 'caption' | 'span' | 'height'>,
): Figure | null {
  const curves = curvesOf(run, measure);
  if (curves.length === 0) return null;
  const alphas = alphaAxis(curves.flatMap((curve) => curve.points.map((each) => each.alpha)));
  const summits =
    measure.error && summitsOf(curves).length > 0
      ? ' Dashed vertical lines: the α with the largest mean of each checkpoint.'
      : '';
  return {
    ...layout,
    id: `${measure.id}-${number}`,
    section: `search-${number}`,
    title: measure.title,
    caption: `${layout.caption}${summits} ${layout.span === 'third' ? '' : alphas.sentence}`.trim(),
    table: tableOf(run, measure),
    option: (theme, width) => optionOf(run, measure, layout.span === 'full', theme, width),
  };
}
