// Numbers as they are read.

const MINUS = '−';

export function fixed(value: number | null, digits = 3): string {
  if (value === null) return '–';
  return value
    .toFixed(digits)
    .replace(/^-(?=0(?:\.0*)?$)/, '')
    .replace('-', MINUS);
}

export function signed(value: number | null, digits = 3): string {
  if (value === null) return '–';
  return value > 0 ? `+${fixed(value, digits)}` : fixed(value, digits);
}

/** The gain of an answer: of scores that are whole or halves two digits, else three. */
export function gain(value: number): string {
  return signed(value, Number.isInteger(Math.round(1e9 * value) / 1e7) ? 2 : 3);
}

/** An α, with as many digits as it has. */
export function alpha(value: number): string {
  return String(Number(value.toPrecision(6))).replace('-', MINUS);
}

/** Four significant digits, for values of any size. */
export function general(value: number | null): string {
  if (value === null) return '–';
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2).replace(/-/g, MINUS).replace('e+', 'e');
  return String(Number(value.toPrecision(4))).replace('-', MINUS);
}

/** A number at an axis, with the digits that it has. */
export function tick(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 12 }).replace('-', MINUS);
}

export function percent(value: number | null, digits = 1): string {
  return value === null ? '–' : `${fixed(100 * value, digits)} %`;
}

export function count(value: number | null): string {
  return value === null
    ? '–'
    : Math.round(value)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let size = value;
  while (size >= 1000 && unit + 1 < units.length) {
    size /= 1000;
    ++unit;
  }
  return `${Number(size.toPrecision(3))} ${units[unit]}`;
}

/** p = 0.0967, or p < 0.0001. */
export function pValue(value: number | null): string {
  if (value === null) return '';
  return value < 1e-4 ? 'p < 0.0001' : `p = ${Number(value.toPrecision(3))}`;
}

/** "2026-11-30 10:00 UTC" of an ISO time; other text as it is. */
export function moment(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?Z$/.exec(iso);
  return match ? `${match[1]} ${match[2]} UTC` : iso;
}
