// Score against α, the part that chose and the part that confirms told apart.

import { alphaAxis, alphaAxisOption } from '../alpha_axis';
import { baselinesOf, candidatesOf, familiesOf, sftOf } from '../candidates';
import type { Candidate, Estimate } from '../candidates';
import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure, Table } from '../figure';
import * as format from '../format';
import { NINETY, whiskers } from '../intervals';
import { axis, base, SYMBOLS } from '../theme';
import type { Theme } from '../theme';
import { oneLine } from '../text';

export interface Point {
  alpha: number;
  label: string;
  mean: number;
  /** The ends of the interval of 90 %; null where the standard error is unknown. */
  low: number | null;
  high: number | null;
  prompts: number | null;
  chosen: boolean;
}

export interface Curve {
  name: string;
  part: 'choosing' | 'confirming';
  points: Point[];
}

function point(candidate: Candidate, estimate: Estimate): Point {
  const { mean, error } = estimate;
  const reach = error === null ? null : NINETY * error;
  return {
    alpha: candidate.alpha, label: candidate.label, mean: mean ?? 0, chosen: candidate.chosen, prompts: estimate.prompts,
    low: reach === null ? null : (mean ?? 0) - reach, high: reach === null ? null : (mean ?? 0) + reach,
  };
}

function pointsOf(candidates: Candidate[], part: Curve['part']): Point[] {
  return candidates.flatMap((each) => {
    const estimate = each[part];
    return estimate ? [point(each, estimate)] : [];
  });
}

/** For each checkpoint what chose and what confirmed. SFT stands at α = −1 of all of them. */
export function curvesOf(run: SearchRun): Curve[] {
  const families = familiesOf(run);
  const sft = sftOf(run);
  const withSft = (candidates: Candidate[]) => (sft && families.length === 1 ? [sft, ...candidates] : candidates);
  const curves = families.flatMap((family) => (['choosing', 'confirming'] as const).map((part) => ({
    name: families.length > 1 ? oneLine(family.name, 40) : '', part, points: pointsOf(withSft(family.candidates), part),
  })));
  if (sft && families.length > 1) curves.push({ name: 'SFT', part: 'confirming', points: pointsOf([sft], 'confirming') });
  return curves.filter((curve) => curve.points.length > 0);
}

function tableOf(run: SearchRun): Table {
  const parts = ['choosing', 'confirming'] as const;
  return {
    columns: ['candidate', 'α', ...parts.flatMap((part) => [`prompts, ${part}`, `mean, ${part}`, `standard error, ${part}`]), 'standing'],
    rows: candidatesOf(run).map((each) => [
      each.label, each.alpha,
      ...parts.flatMap((part) => [each[part]?.prompts ?? null, each[part]?.mean ?? null, each[part]?.error ?? null]),
      standing(each),
    ]),
  };
}

export function standing(each: Candidate): string {
  if (each.chosen) return 'chosen';
  if (each.collapsed) return 'dropped: its answers collapse';
  if (!each.eligible) return 'against a guard';
  return each.tied ? 'not told apart from the best' : '';
}

const partName = (part: Curve['part']) => (part === 'choosing' ? 'choosing part' : 'confirming part');
const curveName = (curve: Curve) => (curve.name ? `${curve.name}, ${partName(curve.part)}` : partName(curve.part));

/** Points of the two parts stand side by side rather than over each other. */
function series(theme: Theme, curve: Curve, number: number, place: (alpha: number) => number, shift: number): Record<string, unknown>[] {
  const colour = theme.series[number % theme.series.length] ?? theme.text;
  const confirming = curve.part === 'confirming';
  const x = (each: Point) => place(each.alpha) + (confirming ? shift : -shift);
  const intervals = curve.points.flatMap((each): [number, number, number][] =>
    (each.low === null || each.high === null ? [] : [[x(each), each.low, each.high]]));
  return [
    whiskers(intervals, colour),
    {
      type: 'line', name: curveName(curve), symbol: SYMBOLS[number % SYMBOLS.length], color: colour, z: 3,
      lineStyle: { type: confirming ? 'solid' : [4, 4], width: confirming ? 2 : 1.2, color: colour },
      data: curve.points.map((each) => ({
        value: [x(each), each.mean, each.alpha, each.low, each.high, each.prompts],
        symbolSize: each.chosen ? 13 : confirming ? 10 : 7,
        itemStyle: { color: confirming ? colour : theme.paper, borderColor: colour, borderWidth: 1.6 },
        label: { show: each.chosen && confirming, formatter: 'chosen', position: 'top', distance: 9, color: theme.text, fontWeight: 600 },
      })),
    },
  ];
}

function tooltipOf(parameters: { seriesName: string; value: (number | null)[] }): string {
  const [, mean, alpha, low, high, prompts] = parameters.value;
  const range = low === null ? '' : `\n90 %: ${format.fixed(low ?? null)} to ${format.fixed(high ?? null)}`;
  return `${parameters.seriesName}\nα = ${format.alpha(alpha ?? 0)}: ${format.fixed(mean ?? null, 4)}${range}\n` +
    `${format.plural(prompts ?? 0, 'prompt')}`;
}

function optionOf(run: SearchRun, theme: Theme, width: number): Record<string, unknown> {
  const curves = curvesOf(run);
  const alphas = alphaAxis(curves.flatMap((curve) => curve.points.map((each) => each.alpha)));
  const places = alphas.alphas.map(alphas.place);
  const shift = (Math.max(...places) - Math.min(...places)) * 0.004;
  const names = [...new Set(curves.map((curve) => curve.name))];
  const levels = baselinesOf(run).flatMap((each) => {
    const estimate = each.confirming ?? each.choosing;
    return estimate ? [{ yAxis: estimate.mean, name: oneLine(each.label, 40) }] : [];
  });
  const all = curves.flatMap((curve) => series(theme, curve, names.indexOf(curve.name), alphas.place, shift));
  const last = all.at(-1);
  if (last && levels.length > 0) {
    last['markLine'] = {
      silent: true, symbol: 'none', data: levels, lineStyle: { color: theme.text, type: [2, 3] },
      label: { formatter: '{b}', position: 'insideEndTop', color: theme.text },
    };
  }
  return {
    ...base(theme),
    grid: { left: 58, right: 16, top: 34 + 20 * Math.floor((curves.length - 1) / Math.max(1, Math.floor(width / 190))), bottom: 46 },
    legend: { ...(base(theme)['legend'] as object), data: curves.map(curveName) },
    tooltip: { ...(base(theme)['tooltip'] as object), trigger: 'item', formatter: tooltipOf },
    xAxis: alphaAxisOption(theme, alphas, width - 74),
    yAxis: { ...axis(theme, 'mean score'), type: 'value', scale: true, nameGap: 42 },
    series: all,
  };
}

function figure(run: SearchRun, number: number): Figure | null {
  const curves = curvesOf(run);
  if (curves.length === 0) return null;
  const alphas = alphaAxis(curves.flatMap((curve) => curve.points.map((each) => each.alpha)));
  return {
    id: `score-${number}`, section: `search-${number}`, title: 'Score against α', span: 'full', height: 380,
    caption: 'Hollow and dashed: prompts that chose α, whose largest mean is too high by luck. Filled: prompts that chose nothing. ' +
      'Whiskers are intervals of 90 % of each mean (± 1.645 standard errors); the gain above is tested on paired differences, ' +
      `which are told apart better. ${alphas.sentence}`,
    table: tableOf(run),
    option: (theme, width) => optionOf(run, theme, width),
  };
}

export const score: Chart = {
  figures: (report) => searches(report).map(figure).filter((each) => each !== null),
};
