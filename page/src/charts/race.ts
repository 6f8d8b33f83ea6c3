// The race look by look: a lane for each α, which ends where it was left out.

import { searches } from '../data';
import type { SearchRun } from '../data';
import type { Chart, Figure } from '../figure';
import * as format from '../format';
import { raceOf } from '../looks';
import type { Lane, Race, Seen } from '../looks';
import { oneLine } from '../text';
import { axis, axisLabel, base, colourScale, tooltip } from '../theme';
import type { Theme } from '../theme';

const reasonOf = (lane: Lane) => (lane.collapse ? `its answers collapse (${lane.collapse})` : 'left out');

function endOf(lane: Lane): string {
  if (lane.chosen) return 'chosen';
  if (lane.dropped === 0) return `dropped before look 1: ${reasonOf(lane)}`;
  return lane.dropped === null ? 'stayed to the end' : `${reasonOf(lane)} after look ${lane.dropped}`;
}

function priceOf(lane: Lane): string {
  const rows = Math.max(0, ...lane.seen.map((each) => each.rows ?? 0));
  const words = lane.seen.length > 0 ? [format.plural(rows, 'prompt')] : [];
  if (lane.tokens !== null) words.push(`${format.count(lane.tokens)} tokens`);
  if (lane.dropped === 0) words.push('dropped unscored');
  return words.join(', ');
}

interface Mark {
  lane: Lane;
  row: number;
  seen: Seen;
}

function marksOf(race: Race): Mark[] {
  return race.lanes.flatMap((lane, row) => lane.seen.map((seen) => ({ lane, row, seen })));
}

function lookLabels(race: Race, wide: boolean): string[] {
  return race.looks.map(
    (look) =>
      `look ${look.number}${look.tokens === null ? '' : `\n${format.count(look.tokens)}${wide ? ' tokens' : ''}`}`,
  );
}

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

/** Lines from each lane's first look to its last. */
function lanesSeries(race: Race, theme: Theme): Record<string, unknown> {
  const data = race.lanes.flatMap((lane, row): [number, number, number, number][] => {
    const columns = lane.seen.map((seen) => race.looks.findIndex((look) => look.number === seen.look));
    return columns.length > 1 ? [[Math.min(...columns), row, Math.max(...columns), lane.chosen ? 1 : 0]] : [];
  });
  return {
    type: 'custom',
    silent: true,
    data,
    z: 1,
    encode: { x: [0, 2], y: 1 },
    renderItem: (_: unknown, api: Api) => {
      const from = api.coord([api.value(0), api.value(1)]);
      const to = api.coord([api.value(2), api.value(1)]);
      return {
        type: 'line',
        shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
        style: { stroke: theme.faint, lineWidth: api.value(3) ? 3 : 1.2, opacity: 0.6 },
      };
    },
  };
}

/** ✕ where a lane ends, so many pixels beside its last mark. */
function crosses(name: string, offset: number, data: number[][], theme: Theme): Record<string, unknown> {
  return {
    type: 'scatter',
    name,
    symbol: 'path://M0 0L10 10M10 0L0 10',
    symbolSize: 11,
    silent: true,
    z: 5,
    symbolOffset: [offset, 0],
    itemStyle: { color: 'none', borderColor: theme.bad, borderWidth: 2.4 },
    data,
  };
}

function pointSeries(race: Race, theme: Theme): Record<string, unknown>[] {
  const marks = marksOf(race);
  const most = Math.max(1, ...marks.map((mark) => mark.seen.rows ?? 1));
  const column = (seen: Seen) => race.looks.findIndex((look) => look.number === seen.look);
  const last = (mark: Mark) => mark.lane.dropped !== null && mark.seen === mark.lane.seen.at(-1);
  return [
    {
      type: 'scatter',
      name: 'looks',
      symbol: 'circle',
      z: 3,
      symbolSize: (value: number[]) => 7 + 15 * Math.sqrt((value[3] ?? 1) / most),
      itemStyle: { borderColor: theme.text, borderWidth: 0.8 },
      data: marks.map((mark) => [column(mark.seen), mark.row, mark.seen.mean, mark.seen.rows]),
    },
    crosses('left out', 18, marks.filter(last).map((mark) => [column(mark.seen), mark.row]), theme),
    crosses('dropped unscored', 0, race.lanes.flatMap((lane, row) => (lane.dropped === 0 ? [[0, row]] : [])), theme),
  ];
}

function tooltipOf(race: Race) {
  const marks = marksOf(race);
  return ({ seriesName, dataIndex }: { seriesName: string; dataIndex: number }): string => {
    const mark = seriesName === 'looks' ? marks[dataIndex] : undefined;
    if (!mark) return '';
    const { lane, seen } = mark;
    return (
      `${oneLine(lane.label, 40)}, look ${seen.look}\nmean ${format.fixed(seen.mean, 4)} on ${format.plural(seen.rows ?? 0, 'prompt')}\n` +
      `believed ${format.fixed(seen.belief, 4)}, best with a chance of ${format.percent(seen.chance)}\n${seen.alive ? 'stays' : reasonOf(lane)}`
    );
  };
}

/** Names at the left, and what each was asked at the right. */
function sideAxes(race: Race, names: string[], theme: Theme, wide: boolean): Record<string, unknown>[] {
  const category = { type: 'category', inverse: true, axisTick: { show: false }, axisLine: { show: false } };
  const label = { hideOverlap: false, interval: 0 };
  const rule = { show: true, lineStyle: { color: theme.line, width: 0.6 } };
  return [
    {
      ...category,
      data: names,
      splitLine: rule,
      axisLabel: axisLabel(theme, { ...label, fontSize: 12, color: theme.text }),
    },
    {
      ...category,
      data: race.lanes.map(priceOf),
      position: 'right',
      splitLine: { show: false },
      axisLabel: axisLabel(theme, { ...label, show: wide }),
    },
  ];
}

function optionOf(race: Race, theme: Theme, width: number): Record<string, unknown> {
  const means = marksOf(race)
    .map((mark) => mark.seen.mean)
    .filter((each) => each !== null);
  const names = race.lanes.map((lane) => oneLine(lane.label, width < 560 ? 14 : 24) + (lane.chosen ? ' ◆' : ''));
  const wide = width >= 560;
  const left = 16 + 6.6 * Math.max(4, ...names.map((name) => name.length));
  return {
    ...base(theme),
    grid: { left, right: wide ? 190 : 24, top: 50, bottom: 48 },
    tooltip: tooltip(theme, { trigger: 'item', formatter: tooltipOf(race) }),
    visualMap: colourScale(theme, means, wide ? 'mean score' : 'mean', format.fixed, {
      seriesIndex: 1,
      left: left - 4,
    }),
    xAxis: {
      ...axis(theme, ''),
      type: 'category',
      data: lookLabels(race, wide),
      axisLabel: axisLabel(theme, { hideOverlap: false, interval: 0, lineHeight: 15 }),
      axisTick: { show: false },
      splitLine: { show: false },
      boundaryGap: true,
    },
    yAxis: sideAxes(race, names, theme, wide),
    series: [lanesSeries(race, theme), ...pointSeries(race, theme), { type: 'scatter', yAxisIndex: 1, data: [] }],
  };
}

function tableOf(race: Race) {
  return {
    columns: [
      'candidate',
      'α',
      'look',
      'tokens in all',
      'prompts',
      'mean',
      'belief',
      'chance of being best',
      'stays',
      'end',
      'its tokens',
    ],
    rows: race.lanes.flatMap((lane) =>
      (lane.seen.length > 0 ? lane.seen : [null]).map((seen) => [
        lane.label,
        lane.alpha,
        seen?.look ?? null,
        race.looks.find((look) => look.number === seen?.look)?.tokens ?? null,
        seen?.rows ?? null,
        seen?.mean ?? null,
        seen?.belief ?? null,
        seen?.chance ?? null,
        seen ? (seen.alive ? 'yes' : 'no') : '',
        endOf(lane),
        lane.tokens,
      ]),
    ),
  };
}

function figure(run: SearchRun, number: number): Figure | null {
  const race = raceOf(run);
  if (race.looks.length < 2 && race.lanes.every((lane) => lane.dropped === null)) return null;
  if (race.lanes.every((lane) => lane.seen.length === 0)) return null;
  return {
    id: `race-${number}`,
    section: `search-${number}`,
    title: 'The race, look by look',
    span: 'full',
    height: 104 + 27 * race.lanes.length,
    caption:
      'A lane for each α, over the looks at which it was asked. The area of a dot grows with the prompts that it has answered, its ' +
      'colour says the mean score; ✕ marks where an α was left out. At the right: what it was asked, and the tokens of its whole answers.',
    table: tableOf(race),
    option: (theme, width) => optionOf(race, theme, width),
  };
}

export const race: Chart = {
  figures: (report) =>
    searches(report)
      .map(figure)
      .filter((each) => each !== null),
};
