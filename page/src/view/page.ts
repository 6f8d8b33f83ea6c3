import type { Report } from '../data';
import { element } from '../dom';
import type { Chart } from '../figure';
import { figureView } from './figure_view';

export function pageOf(report: Report, charts: Chart[]): HTMLElement[] {
  const figures = charts.flatMap((chart) => chart.figures(report));
  return [element('main', {}, element('h1', {}, 'expo report'), ...figures.map((figure, i) => figureView(figure, i + 1)))];
}
