// What a run was: the command to do it again, machine, time, versions and digests, and the whole configuration.

import type { InspectionRun, Run, SearchRun, Session, TrainRun } from '../data';
import { scorerOf } from '../candidates';
import { button, element } from '../dom';
import type { Table } from '../figure';
import * as format from '../format';
import { at, isObject, number, text } from '../json';
import type { Json } from '../json';
import { isPlain } from '../shell';
import { oneLine, visible } from '../text';
import { tableElement } from './figure_view';

/** Keys within keys as paths, one row each. */
export function flattened(json: Json, path = ''): [string, string | number][] {
  if (Array.isArray(json)) {
    if (json.every((each) => !isObject(each) && !Array.isArray(each)))
      return [[path, json.map(shown).join(', ') || 'none']];
    return json.flatMap((each, i) => flattened(each, `${path}[${i}]`));
  }
  if (isObject(json))
    return Object.entries(json).flatMap(([key, each]) => flattened(each, path ? `${path}.${key}` : key));
  return [[path, shown(json)]];
}

function shown(json: Json): string {
  if (json === null) return 'none';
  return typeof json === 'string' ? json || 'none' : String(json);
}

/** Names of options in one piece each, as a browser would break a line after their hyphens. */
function unbroken(command: string): (Node | string)[] {
  const pieces = command.split(/((?<=\s)--?[a-z][a-z-]{0,24}(?=\s|$))/);
  return pieces.map((piece, i) => (i % 2 === 0 ? piece : element('span', { class: 'option' }, piece)));
}

export function commandView(command: string): HTMLElement {
  const code = element('code', {}, ...unbroken(visible(command)));
  if (!isPlain(command)) return unsafeCommandView(code);
  const copy = button('Copy', () => void copied(command, code, copy), { 'aria-label': 'Copy the command' });
  return element('div', { class: 'command' }, element('pre', { tabindex: '0' }, code), copy);
}

/** What a terminal would obey, or a reader not see, is shown but not handed on. */
function unsafeCommandView(code: HTMLElement): HTMLElement {
  return element(
    'div',
    {},
    element('div', { class: 'command' }, element('pre', { tabindex: '0' }, code)),
    element('p', { class: 'small' }, 'This command holds line breaks or hidden characters, so it is not offered to be copied.'),
  );
}

/** Where a browser gives no clipboard to a page, the command is selected instead. */
async function copied(command: string, code: HTMLElement, copy: HTMLButtonElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(command);
    copy.textContent = 'Copied';
  } catch {
    getSelection()?.selectAllChildren(code);
    copy.textContent = 'Selected';
  }
  setTimeout(() => (copy.textContent = 'Copy'), 2000);
}

type Fact = [string, string | null];

function machineOf(session: Session): string {
  const { machine } = session;
  const memory = number(machine['memory']);
  return [
    text(machine['processor']),
    number(machine['cores']) === null ? '' : format.plural(number(machine['cores']) ?? 0, 'core'),
    memory === null ? '' : format.bytes(memory),
    text(machine['instructions']),
    text(machine['device']),
  ]
    .filter(Boolean)
    .join(', ');
}

function timeOf(session: Session): string {
  if (session.ended === null) return `${format.moment(session.started)}, not ended`;
  const seconds = (Date.parse(session.ended) - Date.parse(session.started)) / 1000;
  return `${format.moment(session.started)}${Number.isFinite(seconds) ? `, for ${duration(seconds)}` : ''}`;
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function sessionFacts(sessions: Session[]): Fact[] {
  return sessions.flatMap((session, i): Fact[] => {
    const which = sessions.length > 1 ? ` (session ${i + 1})` : '';
    return [
      [`time${which}`, timeOf(session)],
      [`machine${which}`, machineOf(session)],
    ];
  });
}

function searchFacts(run: SearchRun): Fact[] {
  const { result, settings } = run;
  return [
    ['SFT', text(result?.['sft'])],
    ['ALIGNED', text(result?.['aligned'])],
    ['data', text(result?.['data'])],
    ['scored by', scorerOf(run)],
    [
      'type and rounding',
      [text(at(result, 'setting', 'dtype')), text(at(result, 'setting', 'rounding'))].filter(Boolean).join(', '),
    ],
    ['digest of the prompts', text(at(settings, 'settings', 'prompts', 'digest'))],
    ['tokenizer', text(at(settings, 'settings', 'model', 'tokenizer'))],
    [
      'versions',
      [
        `expo ${text(result?.['expo'] ?? settings?.['expo'])}`,
        at(settings, 'settings', 'model', 'libtorch')
          ? `libtorch ${text(at(settings, 'settings', 'model', 'libtorch'))}`
          : '',
      ]
        .filter(Boolean)
        .join(', '),
    ],
    ...sessionFacts(run.sessions),
  ];
}

function trainFacts(run: TrainRun): Fact[] {
  const { settings } = run;
  const effective = number(at(settings, 'serving', 'effective_alpha'));
  const [changed, lost] = [number(at(settings, 'serving', 'changed')), number(at(settings, 'serving', 'lost'))];
  return [
    ['method', text(at(settings, 'config', 'method'))],
    ['model', text(at(settings, 'config', 'model_name_or_path'))],
    ['data', text(at(settings, 'config', 'dataset_name'))],
    ['digest of the data', text(at(settings, 'data', 'digest'))],
    ['steps', String(number(settings?.['total_steps']) ?? '')],
    ['device', text(settings?.['device'])],
    ['versions', `expo ${text(settings?.['expo'])}`],
    [
      'served in a 16-bit type',
      effective === null
        ? null
        : `${text(at(settings, 'serving', 'dtype'))}: effective α ${format.general(effective)}` +
          (changed && lost !== null ? `, ${format.percent(lost / changed)} of the updates lost` : ''),
    ],
    ...sessionFacts(run.sessions),
  ];
}

function inspectionFacts(run: InspectionRun): Fact[] {
  const { inspection } = run;
  return [
    ['SFT', text(at(inspection, 'sft', 'location'))],
    ['ALIGNED', text(at(inspection, 'aligned', 'location'))],
    ['type', text(inspection['out_dtype'])],
    ['sampled share', format.percent(number(inspection['sampled_share']))],
  ];
}

function factsOf(run: Run): Fact[] {
  const own = run.kind === 'search' ? searchFacts(run) : run.kind === 'train' ? trainFacts(run) : inspectionFacts(run);
  return [['folder', run.folder], ...own];
}

export function commandOf(run: Run): string {
  if (run.kind === 'inspection') return '';
  const last = run.sessions
    .map((session) => session.command)
    .filter(Boolean)
    .at(-1);
  return last ?? (run.kind === 'train' ? text(run.settings?.['command']) : '');
}

function configurationTable(run: Run): Table | null {
  if (run.kind === 'inspection') return null;
  if (!run.settings) return null;
  return { columns: ['key', 'value'], rows: flattened(run.settings) };
}

export function settingsView(run: Run): HTMLElement {
  const facts = factsOf(run).filter((fact): fact is [string, string] => Boolean(fact[1]));
  const command = commandOf(run);
  const table = configurationTable(run);
  return element(
    'section',
    { class: 'settings' },
    element('h3', {}, oneLine(run.name, 80)),
    command && commandView(command),
    element(
      'dl',
      {},
      ...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, visible(value))]),
    ),
    table &&
      element(
        'details',
        { class: 'behind' },
        element('summary', {}, 'The whole configuration'),
        tableElement(table, `Configuration of ${oneLine(run.name, 80)}`),
      ),
  );
}
