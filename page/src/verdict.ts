// The result of a search in words, and what to do next.

import { candidatesOf, chosenOf, familiesOf } from './candidates';
import type { SearchRun } from './data';
import * as format from './format';
import { at, isObject, list, number, object, text } from './json';
import type { Json, JsonObject } from './json';
import { commandLine } from './shell';
import type { Argument } from './shell';
import { visible } from './text';

export type Tone = 'gain' | 'none' | 'undecided' | 'unfinished';

export interface Verdict {
  tone: Tone;
  /** The tone in a word or two. */
  mark: string;
  headline: string;
  sentences: string[];
  /** A command that writes what is recommended. */
  next: string | null;
}


function nameOf(run: SearchRun): string {
  const chosen = chosenOf(run);
  if (!chosen) return '';
  return familiesOf(run).length > 1 ? chosen.label : `α = ${format.alpha(chosen.alpha)}`;
}

function difference(comparison: Json | undefined): string {
  const [low, high] = list(at(comparison, 'interval'));
  const bound = (value: Json | undefined, open: string) =>
    number(value) === null ? open : format.signed(number(value));
  return (
    `${format.signed(number(at(comparison, 'gain')))} (90 % interval ${bound(low, '−∞')} to ${bound(high, '∞')}, ` +
    `${format.pValue(number(at(comparison, 'p')))})`
  );
}

/** What α = 0 of the same part, or the model of --baseline, is called. */
function rivalOf(run: SearchRun): string {
  const baseline = text(run.result?.['baseline']) || 'α = 0';
  return baseline === 'α = 0' ? 'ALIGNED' : baseline;
}

function comparisonSentence(run: SearchRun): string[] {
  const comparison = run.result?.['confirmation'];
  if (!isObject(comparison)) return [];
  return [
    `On ${format.plural(number(comparison['prompts']) ?? 0, 'prompt')} that did not choose it, the mean score of ${nameOf(run)} ` +
      `differs from that of ${rivalOf(run)} by ${difference(comparison)}.`,
  ];
}

function trainingSentence(run: SearchRun): string[] {
  const training = run.result?.['training'];
  const interval = list(at(training, 'interval'));
  if (!isObject(training)) return [];
  const low = number(interval[0]);
  const helped = low !== null && low > 0 ? 'Training itself helped' : 'That training itself helped is not shown';
  return [`${helped}: ALIGNED (α = 0) against SFT differs by ${difference(training)}.`];
}

function modulesSentence(run: SearchRun): string[] {
  const modules = run.result?.['modules'];
  if (!isObject(modules)) return [];
  const verdict = text(modules['verdict']);
  if (verdict === 'not-tested') return [`An α for each kind of module was not tested: ${text(modules['reason'])}.`];
  if (!isObject(modules['confirmation']))
    return ['Of the points with an α for each kind of module, the choosing part prefers none to one α for all.'];
  const words: Record<string, string> = {
    gain: 'it is better',
    'no-worthwhile-gain': 'it is not worthwhile',
    undecided: 'these prompts do not tell',
  };
  return [
    `An α for each kind of module against one α for all: ${difference(modules['confirmation'])}; ${Object.hasOwn(words, verdict) ? words[verdict] : verdict}.`,
  ];
}

function shownSentences(run: SearchRun): string[] {
  return Object.entries(object(run.result?.['shown'])).map(
    ([name, each]) =>
      `${name}, shown and not tested: ${format.signed(number(at(each, 'difference')))} ± ${format.fixed(number(at(each, 'standard_error')))}.`,
  );
}

/** The options that make the same model as the search scored; what a damaged result leaves out stays at its default. */
function optionsOf(result: JsonObject, alpha: number): Argument[] {
  const [dtype, rounding] = [text(at(result, 'setting', 'dtype')), text(at(result, 'setting', 'rounding'))];
  const seed = number(at(result, 'setting', 'rounding_seed')) ?? 0;
  const policy = text(result['on_mismatch']);
  const options: [string, string][] = [
    ['--alpha', String(alpha)],
    ['--out-dtype', dtype],
    ['--rounding', rounding],
    ['--seed', rounding === 'stochastic' ? String(seed) : ''],
    ['--on-mismatch', policy === 'refuse' ? '' : policy],
  ];
  return options.filter(([, value]) => value !== '').flat();
}

function nextOf(run: SearchRun): string | null {
  const { result } = run;
  const recommended = number(result?.['alpha']);
  if (!result || recommended === null || recommended === 0) return null;
  if (text(at(result, 'modules', 'verdict')) === 'gain') {
    return commandLine(['expo', 'extrapolate', '--recipe', { path: `${run.folder}/recipe.yaml` }, '-o', 'OUT']);
  }
  const models = [{ path: text(result['sft']) }, { path: text(result['model']) }];
  if (models.some((model) => model.path === '')) return null;
  return commandLine(['expo', 'extrapolate', ...models, '-o', 'OUT', ...optionsOf(result, recommended)]);
}

function undecided(run: SearchRun): string {
  const needed = number(run.result?.['needed_prompts']);
  return needed === null
    ? 'No gain was seen, so no number of prompts would show one; nor is a gain ruled out.'
    : `About ${format.count(needed)} prompts in the confirming part (${format.count(2 * needed)} in all) would tell.`;
}

function unchosen(run: SearchRun): string {
  const above = candidatesOf(run).filter((each) => each.model !== null && each.alpha > 0);
  if (above.some((each) => each.eligible)) return 'The choosing part prefers α = 0 itself.';
  return above.some((each) => each.collapsed)
    ? 'At every α above 0 answers collapse or violate a guard.'
    : 'Guards exclude every α above 0.';
}

function finished(run: SearchRun): Pick<Verdict, 'tone' | 'mark' | 'headline'> & { first: string[] } {
  const name = nameOf(run);
  switch (text(run.result?.['verdict'])) {
    case 'gain':
      return { tone: 'gain', mark: 'Gain', headline: `${name} is better than ${rivalOf(run)}`, first: [] };
    case 'undecided':
      return {
        tone: 'undecided',
        mark: 'Undecided',
        headline: `Whether ${name} is better than ${rivalOf(run)} is undecided`,
        first: [undecided(run)],
      };
    case 'no-worthwhile-gain':
      return {
        tone: 'none',
        mark: 'No worthwhile gain',
        headline: `Nothing worthwhile is gained over ${rivalOf(run)}`,
        first: isObject(run.result?.['confirmation']) ? [] : [unchosen(run)],
      };
    default:
      return {
        tone: 'undecided',
        mark: text(run.result?.['verdict']) || 'Unknown',
        headline: 'The verdict of this search is not known to this page',
        first: [],
      };
  }
}

export function verdictOf(run: SearchRun): Verdict {
  if (!run.result) {
    return {
      tone: 'unfinished',
      mark: 'Not finished',
      headline: 'This search is not finished',
      next: null,
      sentences: [
        'What follows was seen so far, on prompts that choose α; nothing of it is a claim. The command of the search goes on where it stopped.',
      ],
    };
  }
  const { tone, mark, headline, first } = finished(run);
  const sentences = [
    ...comparisonSentence(run),
    ...first,
    ...trainingSentence(run),
    ...modulesSentence(run),
    ...shownSentences(run),
  ];
  return { tone, mark, headline: visible(headline), sentences: sentences.map(visible), next: nextOf(run) };
}
