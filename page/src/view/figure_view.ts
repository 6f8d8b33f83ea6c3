// Shows a figure with its caption, its table, and the buttons that save it.

import { init } from 'echarts/core';
import type { EChartsType } from 'echarts/core';
import { button, download, element } from '../dom';
import { csvOf } from '../figure';
import type { Cell, Figure, Table } from '../figure';
import * as format from '../format';
import { visible } from '../text';
import { lightTheme, themeNow } from '../theme';

/** Within the margins of A4, and within half of it. */
const PRINTED = { full: 660, half: 316, third: 316 };

/** What is drawn now, by the figure's id; tests read it back. */
export const drawn = new Map<string, EChartsType>();

interface Shown {
  figure: Figure;
  place: HTMLElement;
}

const shown: Shown[] = [];

function widthOf({ figure, place }: Shown): number {
  return matchMedia('print').matches ? PRINTED[figure.span] : Math.max(place.clientWidth, 240);
}

function draw(one: Shown): void {
  const { figure, place } = one;
  const width = widthOf(one);
  const chart = drawn.get(figure.id) ?? init(place, null, { renderer: 'svg', width, height: figure.height });
  drawn.set(figure.id, chart);
  chart.resize({ width, height: figure.height });
  chart.setOption(figure.option(themeNow(), width), { notMerge: true });
  const svg = place.querySelector('svg');
  // A figure that is wider than its place (a page is printed before it is drawn anew) becomes smaller, and is not cut.
  svg?.setAttribute('viewBox', `0 0 ${width} ${figure.height}`);
  svg?.setAttribute('aria-hidden', 'true');
}

/** A figure for a paper: light, on no background. Written by the browser, since ECharts' own text does not escape attributes. */
export function svgOf(figure: Figure, width = 760): string {
  const place = element('div');
  const chart = init(place, null, { renderer: 'svg', width, height: figure.height });
  chart.setOption(figure.option(lightTheme, width));
  const svg = place.querySelector('svg');
  svg?.setAttribute('viewBox', `0 0 ${width} ${figure.height}`);
  svg?.removeAttribute('style');
  const written = svg ? new XMLSerializer().serializeToString(svg) : '';
  chart.dispose();
  return written;
}

function cellText(cell: Cell): string {
  return typeof cell === 'number' ? format.general(cell) : visible(cell ?? '');
}

const MOST_ROWS = 400;

export function tableElement(table: Table, caption: string): HTMLElement {
  const numeric = table.columns.map((_, i) => table.rows.some((row) => typeof row[i] === 'number'));
  const head = element(
    'tr',
    {},
    ...table.columns.map((name, i) =>
      element('th', { scope: 'col', class: numeric[i] ? 'number' : null }, visible(name)),
    ),
  );
  const rows = table.rows
    .slice(0, MOST_ROWS)
    .map((row) =>
      element(
        'tr',
        { class: row.slice(1).every((cell) => cell === '') ? 'group' : null },
        ...row.map((cell, i) =>
          i === 0
            ? element('th', { scope: 'row', class: numeric[i] ? 'number' : null }, cellText(cell))
            : element('td', { class: numeric[i] ? 'number' : null }, cellText(cell)),
        ),
      ),
    );
  const left = table.rows.length - rows.length;
  return element(
    'div',
    { class: 'scrolled', tabindex: '0', role: 'group', 'aria-label': `Table: ${caption}` },
    element(
      'table',
      {},
      element('caption', { class: 'unseen' }, caption),
      element('thead', {}, head),
      element('tbody', {}, ...rows),
    ),
    left > 0 && element('p', { class: 'small' }, `${format.count(left)} further rows are in the CSV.`),
  );
}

/** The table is made when it is first opened. */
function tableDetails(figure: Figure): HTMLDetailsElement {
  const details = element(
    'details',
    { class: 'behind' },
    element('summary', { 'aria-label': `Table of ${figure.title}` }, 'Table'),
  );
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(tableElement(figure.table, figure.title));
  });
  return details;
}

export function figureView(figure: Figure, number: number): HTMLElement {
  const place = element('div', {
    class: 'chart',
    role: 'img',
    'aria-label': `${figure.title}. ${figure.caption} The table below holds its numbers.`,
  });
  place.style.height = `${figure.height}px`;
  const details = tableDetails(figure);
  const buttons = element(
    'div',
    { class: 'tools' },
    button('CSV', () => download(`${figure.id}.csv`, 'text/csv;charset=utf-8', csvOf(figure.table)), {
      'aria-label': `Save ${figure.title} as CSV`,
    }),
    button('SVG', () => download(`${figure.id}.svg`, 'image/svg+xml', svgOf(figure)), {
      'aria-label': `Save ${figure.title} as SVG`,
    }),
  );
  shown.push({ figure, place });
  return element(
    'figure',
    { class: figure.span, id: `figure-${figure.id}` },
    element('div', { class: 'head' }, element('h3', {}, visible(figure.title)), buttons),
    place,
    element('figcaption', {}, element('b', {}, `Figure ${number}. `), visible(figure.caption)),
    details,
  );
}

/** Lets go of all figures, so that the page can show another report. */
export function forgetAll(): void {
  drawn.forEach((chart) => chart.dispose());
  drawn.clear();
  shown.length = 0;
}

export function drawAll(): void {
  shown.forEach(draw);
}

/** Draws anew when the width, the reader's colours or the medium change. */
export function keepDrawn(): void {
  let asked = 0;
  const soon = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(drawAll);
  };
  addEventListener('resize', soon);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  matchMedia('print').addEventListener('change', drawAll);
  addEventListener('beforeprint', drawAll);
  addEventListener('afterprint', drawAll);
}
