// Where a weight change lies: its size relative to the weights, by layer and kind of module.

import { inspections } from '../data';
import type { InspectionRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { number, objects, text } from '../json';
import { oneLine } from '../text';
import { axis, axisLabel, base, colourScale, tooltip } from '../theme';
import type { Theme } from '../theme';

export interface Heat {
  kinds: string[];
  /** Layers, and "none" for tensors outside them. */
  layers: string[];
  cells: { kind: string; layer: string; relative: number; delta: number; sft: number }[];
}

/** Norms of a group are the roots of the sums of its tensors' squares. */
export function heatOf(run: InspectionRun): Heat {
  const sums = new Map<string, { kind: string; layer: string; delta: number; sft: number }>();
  for (const tensor of objects(run.inspection['tensors'])) {
    const delta = number(tensor['delta_norm']);
    const sft = number(tensor['sft_norm']);
    if (delta === null || sft === null) continue;
    const layer = number(tensor['layer']);
    const place = { kind: text(tensor['kind']), layer: layer === null ? 'none' : String(layer) };
    const key = JSON.stringify(place);
    const sum = sums.get(key) ?? { ...place, delta: 0, sft: 0 };
    sums.set(key, { ...sum, delta: sum.delta + delta * delta, sft: sum.sft + sft * sft });
  }
  const cells = [...sums.values()].map((sum) => ({
    kind: sum.kind,
    layer: sum.layer,
    delta: Math.sqrt(sum.delta),
    sft: Math.sqrt(sum.sft),
    relative: sum.sft > 0 ? Math.sqrt(sum.delta / sum.sft) : 0,
  }));
  const order = (layer: string) => (layer === 'none' ? Infinity : Number(layer));
  return {
    kinds: [...new Set(cells.map((cell) => cell.kind))],
    layers: [...new Set(cells.map((cell) => cell.layer))].sort((left, right) => order(left) - order(right) || 0),
    cells,
  };
}

function optionOf(heat: Heat, theme: Theme, width: number): Record<string, unknown> {
  const values = heat.cells.map((cell) => cell.relative);
  const names = heat.kinds.map((kind) => oneLine(kind, width < 560 ? 14 : 26));
  const left = 18 + 6.6 * Math.max(...names.map((name) => name.length));
  const label = axisLabel(theme, { color: theme.text, hideOverlap: false });
  return {
    ...base(theme),
    grid: { left, right: 14, top: 42, bottom: 46 },
    tooltip: tooltip(theme, {
      trigger: 'item',
      formatter: ({ value }: { value: number[] }) =>
        `${heat.kinds[value[1] ?? 0]}, ${heat.layers[value[0] ?? 0] === 'none' ? 'outside the layers' : `layer ${heat.layers[value[0] ?? 0]}`}\n‖Δ‖/‖θ_sft‖ = ${format.general(value[2] ?? null)}`,
    }),
    visualMap: colourScale(theme, values, '‖Δ‖/‖θ_sft‖', format.general, { left: left - 4 }),
    xAxis: {
      ...axis(theme, 'layer'),
      type: 'category',
      data: heat.layers.map((layer) => (layer === 'none' ? '–' : layer)),
      nameGap: 26,
      splitLine: { show: false },
      axisTick: { show: false },
      axisLine: { show: false },
    },
    yAxis: {
      ...axis(theme, ''),
      type: 'category',
      data: names,
      inverse: true,
      axisTick: { show: false },
      axisLine: { show: false },
      splitLine: { show: false },
      axisLabel: label,
    },
    series: [
      {
        type: 'heatmap',
        name: 'relative',
        itemStyle: { borderColor: theme.paper, borderWidth: 1.5 },
        data: heat.cells.map((cell) => [heat.layers.indexOf(cell.layer), heat.kinds.indexOf(cell.kind), cell.relative]),
      },
    ],
  };
}

function figure(run: InspectionRun, index: number): Figure | null {
  const heat = heatOf(run);
  if (heat.cells.length === 0) return null;
  return {
    id: `heat-${index}`,
    section: `inspection-${index}`,
    title: 'Where the change lies',
    span: 'full',
    height: 110 + 26 * heat.kinds.length,
    caption:
      'The size of Δ = θ − θ_sft relative to the weights, ‖Δ‖/‖θ_sft‖, by layer and kind of module. The last column holds what lies outside the layers.',
    table: {
      columns: ['kind', 'layer', '‖Δ‖/‖θ_sft‖', '‖Δ‖', '‖θ_sft‖'],
      rows: heat.cells.map((cell) => [cell.kind, cell.layer, cell.relative, cell.delta, cell.sft]),
    },
    option: (theme, width) => optionOf(heat, theme, width),
  };
}

export const heat: Chart = {
  figures: (report) =>
    inspections(report)
      .map(figure)
      .filter((each) => each !== null),
};
