// A list box that draws only the rows in sight, so that ten thousand cost no more than ten.

import { element } from '../dom';

export const ROW_HEIGHT = 46;
const BEYOND = 6;
let lists = 0;

export class VirtualList {
  readonly box: HTMLElement;
  private readonly content: HTMLElement;
  private readonly prefix = `list-${++lists}`;
  private count = 0;
  private selected = -1;

  constructor(
    label: string,
    private readonly fill: (index: number) => (Node | string)[],
    private readonly onSelect: (index: number) => void,
  ) {
    this.content = element('div', { class: 'rows', role: 'presentation' });
    this.box = element('div', { class: 'list', role: 'listbox', tabindex: '0', 'aria-label': label }, this.content);
    this.box.addEventListener('scroll', () => this.draw());
    this.box.addEventListener('keydown', (event) => this.onKey(event));
    this.content.addEventListener('click', (event) => this.onClick(event));
  }

  show(count: number, selected: number): void {
    this.count = count;
    this.content.style.height = `${count * ROW_HEIGHT}px`;
    this.select(Math.min(selected, count - 1));
  }

  select(index: number): void {
    this.selected = index;
    this.keepInSight();
    this.draw();
    this.onSelect(index);
  }

  step(by: number): void {
    if (this.count > 0) this.select(Math.max(0, Math.min(this.count - 1, this.selected + by)));
  }

  /** Draws the rows in sight; called again when the list first has a height. */
  draw(): void {
    const height = this.box.clientHeight || 400;
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_HEIGHT) - BEYOND);
    const end = Math.min(this.count, Math.ceil((this.box.scrollTop + height) / ROW_HEIGHT) + BEYOND);
    const rows = [];
    for (let i = first; i < end; ++i) rows.push(this.row(i));
    this.content.replaceChildren(...rows);
    const isDrawn = this.selected >= first && this.selected < end;
    if (isDrawn) this.box.setAttribute('aria-activedescendant', this.idOf(this.selected));
    else this.box.removeAttribute('aria-activedescendant');
  }

  private idOf(index: number): string {
    return `${this.prefix}-${index}`;
  }

  private row(index: number): HTMLElement {
    const row = element(
      'div',
      {
        class: 'row',
        role: 'option',
        id: this.idOf(index),
        'aria-selected': String(index === this.selected),
        'aria-posinset': index + 1,
        'aria-setsize': this.count,
        'data-index': index,
      },
      ...this.fill(index),
    );
    row.style.top = `${index * ROW_HEIGHT}px`;
    return row;
  }

  private keepInSight(): void {
    if (this.selected < 0) return;
    const top = this.selected * ROW_HEIGHT;
    const height = this.box.clientHeight || 400;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top + ROW_HEIGHT > this.box.scrollTop + height) this.box.scrollTop = top + ROW_HEIGHT - height;
  }

  private onClick(event: Event): void {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('.row') : null;
    const index = Number(row?.dataset['index'] ?? NaN);
    if (Number.isInteger(index)) this.select(index);
  }

  private onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_HEIGHT) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    const by = steps[event.key];
    if (by === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.step(by);
  }
}
