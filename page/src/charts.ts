// The charts of the page, in their order. A new chart is one file in charts/ and one line here.

import { compare } from './charts/compare';
import { costs } from './charts/costs';
import { drift } from './charts/drift';
import { effective } from './charts/effective';
import { gain } from './charts/gain';
import { heat } from './charts/heat';
import { judged } from './charts/judged';
import { modules } from './charts/modules';
import { race } from './charts/race';
import { score } from './charts/score';
import { spectrum } from './charts/spectrum';
import { tokens } from './charts/tokens';
import { training } from './charts/training';
import type { Chart } from './figure';

export const charts: Chart[] = [
  gain,
  compare,
  score,
  judged,
  costs,
  race,
  tokens,
  drift,
  modules,
  training,
  heat,
  spectrum,
  effective,
];
