// A figure: the numbers that are drawn, and how. Charts make figures; the view shows them, their table, CSV and SVG.

import type { EChartsCoreOption } from 'echarts/core';
import type { Report } from './data';
import type { Theme } from './theme';

export type Cell = string | number | null;

export interface Table {
  columns: string[];
  rows: Cell[][];
}

export interface Figure {
  /** Unique on the page, and fit for the name of a file. */
  id: string;
  /** Where it stands: search-0, comparison, training, inspection-0, … */
  section: string;
  title: string;
  /** Sentences below the figure: what is shown, and how it is to be read. */
  caption: string;
  span: 'full' | 'half' | 'third';
  height: number;
  table: Table;
  option(theme: Theme, width: number): EChartsCoreOption;
}

/** A chart is one file in charts/ that makes figures of what a report holds; none where it has nothing to show. */
export interface Chart {
  figures(report: Report): Figure[];
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  // A spreadsheet would compute what begins like this.
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

export function csvOf(table: Table): string {
  return [table.columns, ...table.rows].map((row) => row.map(csvCell).join(',')).join('\r\n') + '\r\n';
}
