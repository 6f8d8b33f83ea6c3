// What a search says of each α, in one form for results and for searches that have none yet.

import { list, number, object, objects, text } from './json';
import type { JsonObject } from './json';
import type { SearchRun } from './data';

export interface Estimate {
  prompts: number | null;
  mean: number | null;
  error: number | null;
  length: number | null;
  truncated: number | null;
  repetition: number | null;
  /** Further objectives by their names. */
  further: Map<string, { mean: number | null; error: number | null }>;
}

export interface Candidate {
  alpha: number;
  label: string;
  /** The checkpoint that is extrapolated; null for a model that has no α and only serves as the baseline. */
  model: string | null;
  chosen: boolean;
  best: boolean;
  tied: boolean;
  recommended: boolean;
  eligible: boolean;
  collapsed: JsonObject | null;
  /** What rounding makes of α; an earlier version names it only where rounding bends α. */
  effective: number | null;
  /** The share of the changed weights whose update is rounded away. */
  lost: number | null;
  driftFromAligned: number | null;
  driftFromSft: number | null;
  /** Standard error of driftFromSft. */
  driftError: number | null;
  choosing: Estimate | null;
  confirming: Estimate | null;
}

function estimate(json: unknown): Estimate | null {
  const part = object(json);
  if (number(part['mean']) === null) return null;
  return {
    prompts: number(part['prompts']),
    mean: number(part['mean']),
    error: number(part['standard_error']),
    length: number(part['length']),
    truncated: number(part['truncated']),
    repetition: number(part['repetition']),
    further: new Map(
      Object.entries(object(part['scores'])).map(([name, each]) => [
        name,
        { mean: number(object(each)['mean']), error: number(object(each)['standard_error']) },
      ]),
    ),
  };
}

/** "α = 2", "all α = −1": other labels are names of models. */
const HAS_ALPHA = /(?:^|\s)α = [-−+.\de]+$/;

function candidate(json: JsonObject): Candidate {
  const collapsed = json['collapsed'];
  return {
    alpha: number(json['alpha']) ?? 0,
    label: text(json['label']),
    model: typeof json['model'] === 'string' && HAS_ALPHA.test(text(json['label'])) ? json['model'] : null,
    chosen: json['chosen'] === true,
    best: json['best'] === true,
    tied: json['tied'] === true,
    recommended: json['recommended'] === true,
    eligible: json['eligible'] !== false,
    collapsed: collapsed ? object(collapsed) : null,
    effective: number(json['effective_alpha']),
    lost: number(json['lost']),
    driftFromAligned: number(json['drift_from_aligned']),
    driftFromSft: number(json['drift_from_sft']),
    driftError: number(json['drift_from_sft_error']),
    choosing: estimate(json['choosing']),
    confirming: estimate(json['confirming']),
  };
}

/** Of a search that is not finished, what its last look saw. */
function fromLooks(run: SearchRun): Candidate[] {
  const last = run.looks.filter((line) => 'look' in line && !hasModules(line)).at(-1);
  return objects(last?.['candidates'])
    .map((entry) => ({
      ...candidate(entry),
      model: '',
      choosing: estimate({ prompts: entry['rows'] ?? null, mean: entry['mean'] ?? null }),
    }))
    .sort((left, right) => left.alpha - right.alpha);
}

export function hasModules(look: JsonObject): boolean {
  return objects(look['candidates']).some((entry) => 'modules' in entry);
}

export function candidatesOf(run: SearchRun): Candidate[] {
  return run.result ? objects(run.result['candidates']).map(candidate) : fromLooks(run);
}

export interface Family {
  name: string;
  candidates: Candidate[];
}

/** "all" of "all α = 2"; what stands before "α = " tells checkpoints apart. */
function prefix(label: string): string {
  const end = label.lastIndexOf('α = ');
  return end > 0 ? label.slice(0, end).trim() : '';
}

/** Checkpoints with their α from 0 up, in the search's order. SFT (α = −1), which they share, belongs to none. */
export function familiesOf(run: SearchRun): Family[] {
  const families = new Map<string, Family>();
  for (const each of candidatesOf(run)) {
    if (each.model === null || each.alpha < 0) continue;
    const key = run.result ? each.model : prefix(each.label);
    const family = families.get(key) ?? { name: prefix(each.label) || each.model, candidates: [] };
    family.candidates.push(each);
    families.set(key, family);
  }
  return [...families.values()];
}

export function sftOf(run: SearchRun): Candidate | null {
  return candidatesOf(run).find((each) => each.alpha === -1 && each.model !== null) ?? null;
}

/** Models that compete with no α of their own. */
export function baselinesOf(run: SearchRun): Candidate[] {
  return candidatesOf(run).filter((each) => each.model === null);
}

export function chosenOf(run: SearchRun): Candidate | null {
  return run.result ? (candidatesOf(run).find((each) => each.chosen) ?? null) : null;
}

/** The settings of the search: strategy, α, guards, budget. */
export function strategyOf(run: SearchRun): JsonObject {
  return object(run.result?.['search'] ?? object(run.settings?.['settings'])['search']);
}

/** What has scored the answers. Earlier versions call a program a scorer. */
export function scorerOf(run: SearchRun): string {
  return text(run.result?.['scorer']).replace(/^scorer (?=')/, 'program ');
}

/** Whether anything was answered; a search by pairs has no answers. */
export function hasAnswers(run: SearchRun): boolean {
  return strategyOf(run)['objective'] !== 'preference';
}

export function alphasAsked(run: SearchRun): number[] {
  return list(strategyOf(run)['alphas'])
    .map(number)
    .filter((each) => each !== null);
}
