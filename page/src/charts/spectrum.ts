// Singular values of a weight change, for the tensors of which an inspection holds them.

import { inspections } from '../data';
import type { InspectionRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { list, number, objects, text } from '../json';
import { oneLine } from '../text';
import { axis, axisLabel, base, legend, legendHeight, nth, tooltip } from '../theme';
import type { Theme } from '../theme';

const MOST = 8;

export interface Spectrum {
  tensor: string;
  values: number[];
}

/** Largest change first. Under `spectrum` a tensor has its singular values, the largest first. */
export function spectraOf(run: InspectionRun): Spectrum[] {
  return objects(run.inspection['tensors'])
    .map((tensor) => ({
      tensor: text(tensor['name']),
      values: list(tensor['spectrum'])
        .map(number)
        .filter((each) => each !== null),
    }))
    .filter((each) => each.values.length > 0)
    .sort((left, right) => (right.values[0] ?? 0) - (left.values[0] ?? 0));
}

function optionOf(spectra: Spectrum[], theme: Theme, width: number): Record<string, unknown> {
  const names = spectra.map((each) => oneLine(each.tensor, 44));
  return {
    ...base(theme),
    grid: { left: 62, right: 18, top: legendHeight(names, width), bottom: 46 },
    legend: legend(theme, { data: names }),
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: ({ seriesName, value }: { seriesName: string; value: number[] }) =>
        `${seriesName}\nvalue ${value[0]}: ${format.general(value[1] ?? null)}`,
    }),
    xAxis: {
      ...axis(theme, 'number of the singular value'),
      type: 'log',
      min: 1,
      nameGap: 26,
      splitLine: { show: false },
    },
    yAxis: {
      ...axis(theme, 'singular value of Δ'),
      type: 'log',
      nameGap: 46,
      axisLabel: axisLabel(theme, { formatter: (value: number) => format.general(value) }),
    },
    series: spectra.map((each, i) => {
      const { colour, symbol, dash } = nth(theme, i);
      const every = Math.max(1, Math.ceil(each.values.length / 10));
      return {
        type: 'line',
        name: names[i],
        color: colour,
        symbol,
        lineStyle: { type: dash, width: 1.6 },
        showAllSymbol: true,
        symbolSize: (_: unknown, at: { dataIndex: number }) => (at.dataIndex % every === 0 ? 6 : 0),
        data: each.values.flatMap((value, k) => (value > 0 ? [[k + 1, value]] : [])),
      };
    }),
  };
}

function figure(run: InspectionRun, index: number): Figure | null {
  const all = spectraOf(run);
  if (all.length === 0) return null;
  return {
    id: `spectrum-${index}`,
    section: `inspection-${index}`,
    title: 'Spectrum of the change',
    span: 'full',
    height: 360,
    caption: `Singular values of Δ, both axes logarithmic${all.length > MOST ? `; the ${MOST} tensors with the largest values of ${all.length}` : ''}.`,
    table: {
      columns: ['tensor', 'number', 'singular value'],
      rows: all.flatMap((each) => each.values.map((value, k) => [each.tensor, k + 1, value])),
    },
    option: (theme, width) => optionOf(all.slice(0, MOST), theme, width),
  };
}

export const spectrum: Chart = {
  figures: (report) =>
    inspections(report)
      .map(figure)
      .filter((each) => each !== null),
};
