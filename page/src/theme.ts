// Colours, and the parts of ECharts in use. Series are told apart by colour, by symbol and by dash.

import { CustomChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
} from 'echarts/components';
import { use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import * as format from './format';

use([
  LineChart,
  ScatterChart,
  CustomChart,
  HeatmapChart,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
  SVGRenderer,
]);

export interface Theme {
  dark: boolean;
  text: string;
  faint: string;
  line: string;
  paper: string;
  good: string;
  bad: string;
  series: string[];
  scale: string[];
}

// Okabe and Ito's colours, darkened or lightened until each stands out from the paper.
const LIGHT: Theme = {
  dark: false,
  text: '#1b1b1a',
  faint: '#5b5b57',
  line: '#d9d7d0',
  paper: '#ffffff',
  good: '#00664a',
  bad: '#a8410a',
  series: ['#0067a3', '#c2500a', '#007a5a', '#a4457f', '#8a6a00', '#1b1b1a', '#2b8cc4', '#6b4fb3'],
  // Cividis: even for readers who see few colours.
  scale: ['#fdfbe7', '#e5d38c', '#b4a46f', '#7f7c75', '#4a5a6d', '#123570', '#00204d'],
};

const DARK: Theme = {
  dark: true,
  text: '#ecebe6',
  faint: '#a9a8a1',
  line: '#3a3a38',
  paper: '#1b1c1e',
  good: '#4cc9a0',
  bad: '#ff9a62',
  series: ['#63b8ec', '#ff9a62', '#4cc9a0', '#e39bc6', '#e6c34a', '#ecebe6', '#9ad0f5', '#b6a1f0'],
  scale: ['#22262e', '#2a3f66', '#4a5a6d', '#7f7c75', '#b4a46f', '#e5d38c', '#fdf3b0'],
};

export const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'pin', 'roundRect', 'arrow', 'circle'];
export const DASHES: (string | number[])[] = [
  'solid',
  [7, 3],
  [2, 3],
  [9, 3, 2, 3],
  [12, 4],
  [4, 2],
  [1, 2],
  [14, 3, 2, 3],
];

export function themeNow(): Theme {
  const printed = matchMedia('print').matches;
  return !printed && matchMedia('(prefers-color-scheme: dark)').matches ? DARK : LIGHT;
}

export const lightTheme = LIGHT;

export const FONT = 'Inter, "Helvetica Neue", Arial, "Liberation Sans", sans-serif';

type Options = Record<string, unknown>;

/** What all charts have in common. */
export function base(theme: Theme): Options {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: FONT, color: theme.text, fontSize: 12 },
  };
}

/** No control: what it names is also in the table. */
export function legend(theme: Theme, options: Options): Options {
  return {
    top: 0,
    left: 0,
    selectedMode: false,
    itemGap: 18,
    itemWidth: 26,
    itemHeight: 9,
    textStyle: { color: theme.text, fontFamily: FONT, fontSize: 12 },
    ...options,
  };
}

/** Drawn as text within the figure: what it says is never read as HTML. */
export function tooltip(theme: Theme, options: Options): Options {
  return {
    renderMode: 'richText',
    confine: true,
    backgroundColor: theme.paper,
    borderColor: theme.line,
    borderWidth: 1,
    padding: 8,
    textStyle: { color: theme.text, fontFamily: FONT, fontSize: 12 },
    ...options,
  };
}

/** What stands at an axis is a number unless it is a category. */
function tick(value: unknown): string {
  return typeof value === 'number' ? format.tick(value) : String(value);
}

export function axisLabel(theme: Theme, options: Options = {}): Options {
  return { color: theme.faint, fontFamily: FONT, fontSize: 11, hideOverlap: true, formatter: tick, ...options };
}

export function axis(theme: Theme, name: string): Options {
  return {
    name,
    nameLocation: 'middle',
    nameTextStyle: { color: theme.faint, fontFamily: FONT, fontSize: 12 },
    axisLine: { show: true, onZero: false, lineStyle: { color: theme.faint } },
    axisTick: { lineStyle: { color: theme.faint } },
    axisLabel: axisLabel(theme),
    splitLine: { lineStyle: { color: theme.line, width: 0.7 } },
  };
}

/** How much room the legend takes above a figure: as many lines as its names need. */
export function legendHeight(names: string[], width: number): number {
  let lines = 1;
  let used = 0;
  for (const name of names) {
    const wide = 26 + 6.6 * name.length + 22;
    if (used > 0 && used + wide > width) {
      ++lines;
      used = 0;
    }
    used += wide;
  }
  return 12 + 26 * lines;
}

/** The look of the number-th of some series that are drawn over each other. */
export function nth(theme: Theme, number: number): { colour: string; symbol: string; dash: string | number[] } {
  return {
    colour: theme.series[number % theme.series.length] ?? theme.text,
    symbol: SYMBOLS[number % SYMBOLS.length] ?? 'circle',
    dash: DASHES[number % DASHES.length] ?? 'solid',
  };
}

/** The scale of colours above a figure, for the third number of each value of the series. */
export function colourScale(
  theme: Theme,
  values: number[],
  name: string,
  shown: (value: number) => string,
  options: Options,
): Options {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return {
    type: 'continuous',
    dimension: 2,
    // Values that are all alike get a colour too.
    min: least < most ? least : least - 1,
    max: most,
    inRange: { color: theme.scale },
    orient: 'horizontal',
    top: 0,
    itemHeight: 130,
    itemWidth: 10,
    calculable: false,
    text: [`${shown(most)}  ${name}`, shown(least)],
    textStyle: { color: theme.faint, fontSize: 11, fontFamily: FONT },
    ...options,
  };
}
