// What the page is given: the schema expo-report-1, decoded and checked.

import { unpacked } from './block';
import { at, isObject, list, number, object, objects, text, texts } from './json';
import type { Json, JsonObject } from './json';
import { withParts } from './parts';

export interface Session {
  started: string;
  ended: string | null;
  command: string;
  expo: string;
  machine: JsonObject;
}

export interface Prompts {
  id: string[];
  part: string[];
  text: string[];
  messages: (Json[] | null)[];
}

/** Columns of equal length. */
export interface Answers {
  label: number[];
  prompt: number[];
  sample: number[];
  text: string[];
  score: (number | null)[];
  tokens: (number | null)[];
  ending: string[];
}

interface AnyRun {
  name: string;
  folder: string;
  missing: string[];
}

export interface SearchRun extends AnyRun {
  kind: 'search';
  result: JsonObject | null;
  settings: JsonObject | null;
  sessions: Session[];
  looks: JsonObject[];
  prompts: Prompts;
  labels: string[];
  answers: Answers;
}

export interface TrainRun extends AnyRun {
  kind: 'train';
  settings: JsonObject | null;
  sessions: Session[];
  metrics: JsonObject[];
}

export interface InspectionRun extends AnyRun {
  kind: 'inspection';
  inspection: JsonObject;
}

export type Run = SearchRun | TrainRun | InspectionRun;

export interface Report {
  expo: string;
  made: string;
  command: string;
  runs: Run[];
}

function sessionOf(json: JsonObject): Session {
  const ended = json['ended'];
  return {
    started: text(json['started']),
    ended: typeof ended === 'string' ? ended : null,
    command: text(json['command']),
    expo: text(json['expo']),
    machine: object(json['machine']),
  };
}

function promptsOf(json: JsonObject): Prompts {
  const id = list(json['id']).map(String);
  const column = (name: string) => list(json[name]);
  return {
    id,
    part: id.map((_, i) => text(column('part')[i])),
    text: id.map((_, i) => text(column('text')[i])),
    messages: id.map((_, i) => {
      const messages = column('messages')[i];
      return Array.isArray(messages) ? messages : null;
    }),
  };
}

/** Rows that name a prompt or a label which is not there are left out. */
function answersOf(json: JsonObject, prompts: number, labels: number): Answers {
  const columns = ['label', 'prompt', 'sample', 'text', 'score', 'tokens', 'ending'].map((name) => list(json[name]));
  const [label, prompt, sample, words, score, tokens, ending] = columns as [
    Json[],
    Json[],
    Json[],
    Json[],
    Json[],
    Json[],
    Json[],
  ];
  const answers: Answers = { label: [], prompt: [], sample: [], text: [], score: [], tokens: [], ending: [] };
  const within = (value: unknown, end: number): value is number =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < end;
  for (let i = 0; i < words.length; ++i) {
    const from = label[i];
    const to = prompt[i];
    if (!within(from, labels) || !within(to, prompts)) continue;
    answers.label.push(from);
    answers.prompt.push(to);
    answers.sample.push(number(sample[i]) ?? 0);
    answers.text.push(text(words[i]));
    answers.score.push(number(score[i]));
    answers.tokens.push(number(tokens[i]));
    answers.ending.push(text(ending[i]));
  }
  return answers;
}

function runOf(json: JsonObject): Run | null {
  const common = { name: text(json['name']) || 'a run', folder: text(json['folder']), missing: texts(json['missing']) };
  const settings = isObject(json['settings']) ? json['settings'] : null;
  const sessions = objects(json['sessions']).map(sessionOf);
  switch (json['kind']) {
    case 'search': {
      const prompts = promptsOf(object(json['prompts']));
      const labels = list(json['labels']).map(String);
      return withParts({
        kind: 'search',
        ...common,
        settings,
        sessions,
        prompts,
        labels,
        result: isObject(json['result']) ? json['result'] : null,
        looks: objects(json['looks']),
        answers: answersOf(object(json['answers']), prompts.id.length, labels.length),
      });
    }
    case 'train':
      return { kind: 'train', ...common, settings, sessions, metrics: objects(json['metrics']) };
    case 'inspection':
      return { kind: 'inspection', ...common, inspection: object(json['inspection']) };
    default:
      return null;
  }
}

export function reportOf(json: unknown): Report {
  if (at(json, 'schema') !== 'expo-report-1') {
    throw new Error(
      'The data of this page have another schema than expo-report-1; make the page again with one version of expo.',
    );
  }
  const root = object(json);
  return {
    expo: text(root['expo']),
    made: text(root['made']),
    command: text(root['command']),
    runs: objects(root['runs'])
      .map(runOf)
      .filter((run) => run !== null),
  };
}

/** The data block of the page. */
export async function decode(base64: string): Promise<Report> {
  return reportOf(await unpacked(base64.trim()));
}

export const searches = (report: Report) => report.runs.filter((run): run is SearchRun => run.kind === 'search');
export const trainings = (report: Report) => report.runs.filter((run): run is TrainRun => run.kind === 'train');
export const inspections = (report: Report) =>
  report.runs.filter((run): run is InspectionRun => run.kind === 'inspection');
