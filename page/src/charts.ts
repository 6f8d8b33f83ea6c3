// The charts of the page, in their order. A new chart is one file in charts/ and one line here.

import { score } from './charts/score';
import type { Chart } from './figure';

export const charts: Chart[] = [
  score,
];
