// Which prompts chose and which confirm. Searches of earlier versions do not say so, but what was answered where tells.

import type { SearchRun } from './data';
import { at, isObject, number, objects, text } from './json';

/** Labels that the confirming part was not asked with. */
function onlyChoosing(run: SearchRun): Set<string> {
  return new Set(
    objects(run.result?.['candidates'])
      .filter((each) => !isObject(each['confirming']))
      .map((each) => text(each['label'])),
  );
}

/** Prompts that such a label answered. */
function choosingOf(run: SearchRun): Set<number> {
  const labels = onlyChoosing(run);
  const { label, prompt } = run.answers;
  return new Set(prompt.filter((_, i) => labels.has(run.labels[label[i] ?? -1] ?? '')));
}

/** The run with the parts that it leaves open; those that cannot be told stay so. */
export function withParts(run: SearchRun): SearchRun {
  const { part } = run.prompts;
  if (!isObject(run.result) || !part.includes('')) return run;
  const chose = choosingOf(run);
  const all = number(at(run.result, 'prompts', 'choosing'));
  part.forEach((each, i) => {
    if (each === 'choosing') chose.add(i);
  });
  if (all !== null && chose.size > all) return run;
  // Only once every prompt that chose is found are the others those that confirm.
  const rest = all !== null && chose.size === all ? 'confirming' : '';
  const told = part.map((each, i) => each || (chose.has(i) ? 'choosing' : rest));
  return { ...run, prompts: { ...run.prompts, part: told } };
}
