// The data block of the page: base64 of gzip of JSON.

import * as format from './format';

const DAMAGED = 'The data of this page are damaged; make the page again, or copy its file again.';

/** Browsers hold no text beyond a length of their own, and say little when they meet it. */
function tooLarge(bytes: number | null): Error {
  const size = bytes === null ? 'The data of this page are' : `The data of this page, ${format.bytes(bytes)}, are`;
  return new Error(`${size} more than this browser can hold in one text; make a page of fewer runs or answers.`);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  if (base64 === '') throw new Error('This page holds no data, or more than this browser can hold in one text.');
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; ++i) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function packed(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return bytesOf(base64);
  } catch (problem) {
    // atob says so of what is no base64; whatever else fails here fails for its size.
    if (problem instanceof DOMException && problem.name === 'InvalidCharacterError') throw new Error(DAMAGED);
    throw problem instanceof RangeError ? tooLarge(null) : problem;
  }
}

async function inflated(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  try {
    return await new Response(stream).arrayBuffer();
  } catch (problem) {
    throw problem instanceof RangeError ? tooLarge(null) : new Error(DAMAGED);
  }
}

function textOf(bytes: ArrayBuffer): string {
  let text = '';
  try {
    text = new TextDecoder().decode(bytes);
  } catch {
    // Without `fatal` a decoder takes any bytes, so that only their number can be wrong.
  }
  if (text === '' && bytes.byteLength > 0) throw tooLarge(bytes.byteLength);
  return text;
}

export async function unpacked(base64: string): Promise<unknown> {
  if (typeof DecompressionStream === 'undefined') {
    throw new Error('This browser is too old to unpack the data of the page (it has no DecompressionStream).');
  }
  const text = textOf(await inflated(packed(base64)));
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(DAMAGED);
  }
}
