// Score against α, the part that chose and the part that confirms told apart.

import { alphaFigure } from '../alpha_curves';
import { searches } from '../data';
import type { Chart } from '../figure';
import * as format from '../format';

const SO_FAR =
  'Means so far, each of the prompts that an α has answered until it was left out; they were made to choose by.';

export const score: Chart = {
  figures: (report) =>
    searches(report)
      .map((run, number) =>
        alphaFigure(
          run,
          number,
          {
            id: 'score',
            title: 'Score against α',
            axis: 'mean score',
            read: (estimate) => estimate.mean,
            error: (estimate) => estimate.error,
            show: (value) => format.fixed(value, 4),
          },
          {
            span: 'full',
            height: 390,
            caption:
              run.result === null
                ? SO_FAR
                : 'Hollow: prompts that chose, whose largest mean is too high by luck. Filled: prompts that chose nothing. Whiskers are ' +
                  'intervals of 90 % of each mean (± 1.645 standard errors). The verdict tests paired differences, which tells more than ' +
                  'whether whiskers overlap.',
          },
        ),
      )
      .filter((each) => each !== null),
};
