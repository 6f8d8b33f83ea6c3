// Opens the page: decodes the data, lays out the sections, draws the figures.

import { charts } from './charts';
import { decode } from './data';
import type { Report } from './data';
import { element } from './dom';
import { drawAll, drawn, keepDrawn } from './view/figure_view';
import { pageOf } from './view/page';

declare global {
  interface Window {
    expoReport?: { report: Report; charts: typeof drawn };
  }
}

function failed(place: HTMLElement, problem: unknown): void {
  const words = problem instanceof Error ? problem.message : String(problem);
  place.replaceChildren(element('main', {}, element('h1', {}, 'This page cannot show its data'), element('p', {}, words)));
}

async function open(): Promise<void> {
  const place = document.getElementById('page');
  if (!place) return;
  try {
    const report = await decode(document.getElementById('data')?.textContent ?? '');
    place.replaceChildren(...pageOf(report, charts));
    drawAll();
    keepDrawn();
    window.expoReport = { report, charts: drawn };
  } catch (problem) {
    failed(place, problem);
  }
  document.documentElement.dataset['ready'] = 'yes';
}

void open();
