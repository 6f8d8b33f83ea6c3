// The axis of α. α from −1 to 25 lie unevenly: up to a threshold the axis is linear, and logarithmic beyond it.

import { alpha as shown } from './format';
import { axis, axisLabel } from './theme';
import type { Theme } from './theme';

export interface AlphaAxis {
  /** Where an α stands. */
  place(alpha: number): number;
  alphas: number[];
  /** null: linear throughout. */
  threshold: number | null;
  sentence: string;
}

/** Continuous, with a continuous slope: linear within the threshold, and the logarithm of its multiples beyond. */
export function symmetricLog(alpha: number, threshold: number): number {
  const size = Math.abs(alpha) / threshold;
  return size <= 1 ? alpha / threshold : Math.sign(alpha) * (1 + Math.log(size));
}

export function alphaAxis(values: number[]): AlphaAxis {
  const alphas = [...new Set(values)].sort((left, right) => left - right);
  const positive = alphas.filter((each) => each > 0);
  const largest = Math.max(1, ...positive);
  const smallest = Math.min(...positive, largest);
  if (largest / smallest <= 10) {
    return { place: (alpha) => alpha, alphas, threshold: null, sentence: 'The α axis is linear.' };
  }
  // An α of the search, so that the sentence names one that a reader finds on the axis.
  const threshold = Math.max(smallest, ...positive.filter((each) => each <= largest / 25));
  return {
    place: (alpha) => symmetricLog(alpha, threshold),
    alphas,
    threshold,
    sentence: `The α axis is linear up to |α| = ${shown(threshold)} and logarithmic beyond.`,
  };
}

/** Labels that would stand too close to a more important one are left out; ticks stay. */
function labelled(alphas: AlphaAxis, width: number): number[] {
  const low = alphas.place(alphas.alphas[0] ?? 0);
  const high = alphas.place(alphas.alphas.at(-1) ?? 1);
  const pixels = (alpha: number) => ((alphas.place(alpha) - low) / Math.max(high - low, 1e-9)) * width;
  const importance = (alpha: number) => (alpha === 0 ? 0 : alpha === -1 ? 1 : alpha === alphas.alphas.at(-1) ? 2 : 3);
  const kept: number[] = [];
  for (const each of [...alphas.alphas].sort((left, right) => importance(left) - importance(right) || right - left)) {
    const room = 13 + 3.2 * shown(each).length;
    if (kept.every((other) => Math.abs(pixels(other) - pixels(each)) > room)) kept.push(each);
  }
  return kept.sort((left, right) => left - right);
}

export function alphaAxisOption(theme: Theme, alphas: AlphaAxis, width: number): Record<string, unknown> {
  const places = alphas.alphas.map(alphas.place);
  const low = Math.min(...places);
  const high = Math.max(...places);
  const margin = (high - low || 1) * 0.04;
  const name = new Map(alphas.alphas.map((each) => [alphas.place(each), shown(each)]));
  return {
    ...axis(theme, 'α'),
    type: 'value',
    min: low - margin,
    max: high + margin,
    nameGap: 26,
    splitLine: { show: false },
    axisTick: { lineStyle: { color: theme.faint }, customValues: places },
    axisLabel: axisLabel(theme, {
      hideOverlap: false,
      customValues: labelled(alphas, width).map(alphas.place),
      formatter: (value: number) => name.get(value) ?? nearest(name, value),
    }),
  };
}

/** ECharts rounds the values of an axis. */
function nearest(names: Map<number, string>, value: number): string {
  let best = '';
  let least = Infinity;
  for (const [place, name] of names) {
    if (Math.abs(place - value) < least) [least, best] = [Math.abs(place - value), name];
  }
  return best;
}
