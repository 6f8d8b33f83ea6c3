// Checkpoints of several searches, or several checkpoints of one, side by side: the paper's Figures 5 and 6 and its tables.

import { baselinesOf, familiesOf, scorerOf, sftOf, strategyOf } from './candidates';
import type { Candidate, Estimate, Family } from './candidates';
import { searches } from './data';
import type { Report, SearchRun } from './data';
import { at, text } from './json';
import { oneLine } from './text';

export interface Competitor {
  run: SearchRun;
  name: string;
  family: Family;
  zero: Candidate | null;
  best: Candidate | null;
}

/** The chosen α, or of a checkpoint that did not win the one with the largest mean among those allowed. */
function bestOf(family: Family): Candidate | null {
  const chosen = family.candidates.find((each) => each.chosen);
  if (chosen) return chosen;
  const allowed = family.candidates.filter((each) => each.eligible && each.choosing?.mean != null);
  return allowed.reduce<Candidate | null>(
    (best, each) => ((each.choosing?.mean ?? 0) > (best?.choosing?.mean ?? -Infinity) ? each : best),
    null,
  );
}

export function competitorsOf(report: Report): Competitor[] {
  const all = searches(report);
  return all.flatMap((run) => {
    const families = familiesOf(run);
    return families.map((family) => {
      const words = [all.length > 1 ? run.name : '', families.length > 1 || all.length === 1 ? family.name : ''].filter(
        Boolean,
      );
      return {
        run,
        family,
        name: oneLine(words.join(': '), 48),
        best: bestOf(family),
        zero: family.candidates.find((each) => each.alpha === 0) ?? null,
      };
    });
  });
}

export interface Row {
  name: string;
  choosing: Estimate | null;
  confirming: Estimate | null;
  /** What it is compared with: the same checkpoint at α = 0. */
  than: Candidate | null;
  verdict: string;
  indented: boolean;
}

/** The rows of a search: SFT, each checkpoint, each with ExPO, and a baseline. */
export function rowsOf(run: SearchRun, competitors: Competitor[]): Row[] {
  const row = (name: string, each: Candidate | null, more: Partial<Row> = {}): Row[] =>
    each === null
      ? []
      : [
          {
            name,
            choosing: each.choosing,
            confirming: each.confirming,
            than: null,
            verdict: '',
            indented: false,
            ...more,
          },
        ];
  const verdict = text(run.result?.['verdict']);
  return [
    ...row('SFT', sftOf(run)),
    ...competitors
      .filter((each) => each.run === run)
      .flatMap((each) => [
        ...row(each.family.name || 'ALIGNED', each.zero),
        ...(each.best && each.best.alpha !== 0
          ? row(`+ ExPO, α = ${each.best.alpha}`, each.best, {
              than: each.zero,
              indented: true,
              verdict: each.best.chosen ? verdict : '',
            })
          : []),
      ]),
    ...baselinesOf(run).flatMap((each) => row(oneLine(each.label, 48), each)),
  ];
}

/** Why levels of several searches may not be compared; null where they may. */
export function incomparable(report: Report): string | null {
  const all = searches(report);
  const differ = (read: (run: SearchRun) => unknown) =>
    new Set(all.map((run) => JSON.stringify(read(run)) ?? '')).size > 1;
  if (differ((run) => strategyOf(run)['objective']) || differ(scorerOf)) {
    return 'These searches were scored by different objectives: compare the shapes of their curves, and not their levels.';
  }
  if (differ((run) => at(run.settings, 'settings', 'prompts', 'digest'))) {
    return 'These searches asked different prompts, so that small differences between their levels mean little.';
  }
  return null;
}
