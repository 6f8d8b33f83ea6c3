// Opens the page: decodes the data, lays out the sections, draws the figures.

import { charts } from './charts';
import { decode, reportOf } from './data';
import type { Report } from './data';
import { element } from './dom';
import { drawAll, drawn, forgetAll, keepDrawn } from './view/figure_view';
import { pageOf } from './view/page';

declare global {
  interface Window {
    /** What is shown, for tests: they read figures back, and show other data. */
    expoReport?: { charts: typeof drawn; show(json: unknown): string | null };
  }
}

function failed(place: HTMLElement, problem: unknown): void {
  const words = problem instanceof Error ? problem.message : String(problem);
  place.replaceChildren(
    element('main', {}, element('h1', {}, 'This page cannot show its data'), element('p', {}, words)),
  );
}

function show(place: HTMLElement, report: Report): void {
  forgetAll();
  place.replaceChildren(...pageOf(report, charts));
  drawAll();
}

/** Returns what went wrong, or null. */
function shown(place: HTMLElement, json: unknown): string | null {
  try {
    show(place, reportOf(json));
    return null;
  } catch (problem) {
    return problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
  }
}

async function open(): Promise<void> {
  const place = document.getElementById('page');
  if (!place) return;
  window.expoReport = { charts: drawn, show: (json) => shown(place, json) };
  try {
    show(place, await decode(document.getElementById('data')?.textContent ?? ''));
    keepDrawn();
  } catch (problem) {
    failed(place, problem);
  }
  document.documentElement.dataset['ready'] = 'yes';
}

void open();
