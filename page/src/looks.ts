// The looks of a search, read from trace.jsonl: who was asked, who was left out when, and what each cost.

import { candidatesOf, hasModules, strategyOf } from './candidates';
import type { SearchRun } from './data';
import { at, number, objects, text } from './json';
import type { JsonObject } from './json';

export interface Seen {
  /** 1 is the first look. */
  look: number;
  rows: number | null;
  mean: number | null;
  belief: number | null;
  chance: number | null;
  alive: boolean;
}

export interface Lane {
  label: string;
  alpha: number;
  seen: Seen[];
  /** The look after which it was left out; 0: dropped before it was scored; null: it stayed to the end. */
  dropped: number | null;
  /** Why its answers count as collapsed. */
  collapse: string | null;
  /** Generated tokens of the answers that are kept. */
  tokens: number | null;
  chosen: boolean;
}

export interface Race {
  /** Tokens in all after each look. */
  looks: { number: number; tokens: number | null }[];
  lanes: Lane[];
}

/** Looks for an α of each kind of module come after those for one α, and are shown apart. */
function alphaLooks(run: SearchRun): JsonObject[] {
  return run.looks.filter((line) => number(line['look']) !== null && !hasModules(line));
}

function seenOf(looks: JsonObject[], label: string): Seen[] {
  return looks.flatMap((look) =>
    objects(look['candidates'])
      .filter((each) => each['label'] === label)
      .map((each) => ({
        look: number(look['look']) ?? 0,
        rows: number(each['rows']),
        mean: number(each['mean']),
        belief: number(each['belief']),
        chance: number(each['chance']),
        alive: each['alive'] === true,
      })),
  );
}

/** Every look lists those that were left out before; of these only the first one counts. */
function untilDropped(seen: Seen[]): Seen[] {
  const returns = (from: number) => seen.slice(from).some((each) => each.alive);
  const end = seen.findIndex((each, i) => !each.alive && !returns(i));
  return end < 0 ? seen : seen.slice(0, end + 1);
}

/** Tokens of the answers of the choosing part, by label. */
export function tokensByLabel(run: SearchRun): Map<string, { tokens: number; answers: number }> {
  const sums = new Map<string, { tokens: number; answers: number }>();
  const { label, prompt, tokens } = run.answers;
  for (let i = 0; i < label.length; ++i) {
    if (run.prompts.part[prompt[i] ?? -1] !== 'choosing') continue;
    const name = run.labels[label[i] ?? -1] ?? '';
    const sum = sums.get(name) ?? { tokens: 0, answers: 0 };
    sums.set(name, { tokens: sum.tokens + (tokens[i] ?? 0), answers: sum.answers + 1 });
  }
  return sums;
}

function laneOf(
  run: SearchRun,
  label: string,
  alpha: number,
  looks: JsonObject[],
  sums: ReturnType<typeof tokensByLabel>,
): Lane {
  const seen = untilDropped(seenOf(looks, label));
  const collapse = run.looks.find((line) => number(line['dropped']) !== null && line['label'] === label);
  const last = seen.at(-1);
  const dropped = collapse && seen.length === 0 ? 0 : last && !last.alive ? last.look : null;
  return {
    label,
    alpha,
    seen,
    dropped,
    collapse: collapse ? text(collapse['kind']) : null,
    tokens: sums.get(label)?.tokens ?? null,
    chosen: candidatesOf(run).some((each) => each.chosen && each.label === label),
  };
}

export function raceOf(run: SearchRun): Race {
  const looks = alphaLooks(run);
  const alphas = new Map<string, number>();
  for (const look of looks) {
    for (const each of objects(look['candidates'])) alphas.set(text(each['label']), number(each['alpha']) ?? 0);
  }
  for (const line of run.looks) {
    const dropped = number(line['dropped']);
    if (dropped !== null) alphas.set(text(line['label']), dropped);
  }
  const sums = tokensByLabel(run);
  const order = candidatesOf(run).map((each) => each.label);
  const place = (label: string) => (order.includes(label) ? order.indexOf(label) : order.length);
  const lanes = [...alphas].map(([label, alpha]) => laneOf(run, label, alpha, looks, sums));
  return {
    looks: looks.map((look) => ({ number: number(look['look']) ?? 0, tokens: number(look['tokens']) })),
    lanes: lanes.sort((left, right) => place(left.label) - place(right.label) || left.alpha - right.alpha),
  };
}

/** Each α in the race on every prompt of the choosing part, at its own mean price; null where prices are unknown. */
export function gridTokens(run: SearchRun): number | null {
  const prompts =
    number(at(run.result, 'prompts', 'choosing')) ?? run.prompts.part.filter((each) => each === 'choosing').length;
  const samples = number(at(run.result, 'samples')) ?? 1;
  const limit = number(at(run.result, 'answers', 'max_new_tokens'));
  const sums = tokensByLabel(run);
  const price = (label: string) => {
    const sum = sums.get(label);
    return sum && sum.answers > 0 ? sum.tokens / sum.answers : null;
  };
  const { lanes } = raceOf(run);
  const zero = lanes.map((lane) => (lane.alpha === 0 ? price(lane.label) : null)).find((each) => each !== null) ?? null;
  let total = 0;
  for (const lane of lanes) {
    const each = (lane.collapse === 'endless' ? limit : price(lane.label)) ?? zero;
    if (each === null) return null;
    total += each * prompts * samples;
  }
  return total > 0 ? total : null;
}

export function budgetOf(run: SearchRun): number | null {
  return number(strategyOf(run)['token_budget']);
}
