import { el, muted, setText } from './dom.js';
import { duration, timeOfDay } from './format.js';
import { phaseLegend, planBars, planDetail } from './timeline.js';

/**
 * The last plans, latest first, and the selected one: selected by mouse, or with the arrow keys in the list. The selected plan stays visible when
 * newer plans push it out of the list.
 *
 * @import { ShownPlan } from '../../monitor/latest-plans.ts'
 */

const PLANS_MAX = 60;

export class PlanList {
  /** @type {ShownPlan[]} */
  #plans = [];
  /** @type {Map<number, HTMLLIElement>} */
  #items = new Map();
  /** @type {ShownPlan | undefined} */
  #selected;
  /** Plans that arrived while the list is held. @type {ShownPlan[] | undefined} */
  #held;
  #list = el('ul', {
    class: 'plans',
    role: 'listbox',
    tabindex: 0,
    'aria-labelledby': 'plans-title',
    keydown: (event) => this.#onKey(event),
    focus: () => this.#selected === undefined && this.#select(this.#plans[0]),
  });
  #detail = el('div', {
    class: 'detail card',
    id: 'detail',
    tabindex: -1,
    role: 'region',
    'aria-label': 'The selected plan',
  });
  #hold = el(
    'button',
    { type: 'button', class: 'hold', 'aria-pressed': 'false', click: () => this.#toggleHold() },
    'Hold the list',
  );
  #isFiltered = false;

  /** @param {Element} parent @param {{ isLive?: boolean }} [options] */
  constructor(parent, { isLive = true } = {}) {
    const filter = el(
      'label',
      'filter',
      el('input', { type: 'checkbox', id: 'asked-only', change: (event) => this.#filter(event.target.checked) }),
      ' only those that asked models',
    );
    const buttons = el('div', 'plan-buttons', filter, isLive ? this.#hold : null);
    parent.append(el('div', 'plan-bar', phaseLegend(), buttons), el('div', 'plan-pair', this.#list, this.#detail));
    this.#showDetail();
  }

  /** @param {readonly ShownPlan[]} plans oldest first */
  reset(plans) {
    this.#plans = [];
    this.#items = new Map();
    this.#list.replaceChildren();
    if (this.#held !== undefined) this.#held = [];
    this.#insert(plans);
  }

  /** @param {readonly ShownPlan[]} plans oldest first */
  add(plans) {
    if (this.#held !== undefined) {
      this.#held = [...this.#held, ...plans].slice(-PLANS_MAX);
      setText(this.#hold, `Show ${this.#held.length} new`);
    } else if (plans.length > 0) this.#insert(plans);
  }

  /** @param {readonly ShownPlan[]} plans */
  #insert(plans) {
    for (const plan of plans) {
      if (this.#items.has(plan.id)) continue;
      const item = this.#itemOf(plan);
      this.#items.set(plan.id, item);
      this.#plans.unshift(plan);
      this.#list.prepend(item);
    }
    for (const plan of this.#plans.splice(PLANS_MAX)) {
      this.#items.get(plan.id)?.remove();
      this.#items.delete(plan.id);
    }
    this.#list.classList.toggle('empty', this.#plans.length === 0);
    this.#markSelected();
  }

  /** @param {ShownPlan} plan */
  #itemOf(plan) {
    const asked = plan.attempts.length > 0;
    const source = el('span', 'source', plan.source);
    source.style.setProperty('--of-source', `var(--source-${plan.source})`);
    return el(
      'li',
      {
        role: 'option',
        id: `plan-${plan.id}`,
        class: asked ? 'asked' : 'remembered',
        'aria-selected': 'false',
        click: () => this.#select(plan),
      },
      el('span', 'at', timeOfDay(plan.atMs)),
      el('span', 'agent', plan.domain === undefined ? plan.agent : `${plan.domain}: ${plan.agent}`),
      el('span', 'action', plan.action),
      source,
      el('span', 'took', duration(plan.latencyMs)),
      plan.why === undefined ? null : el('span', 'why', plan.why.message),
      asked ? planBars(plan) : null,
    );
  }

  /** @param {any} event */
  #onKey(event) {
    const shown = this.#shown();
    const at = shown.findIndex(({ id }) => id === this.#selected?.id);
    const targets = {
      ArrowDown: at + 1,
      ArrowUp: Math.max(0, at - 1),
      Home: 0,
      End: shown.length - 1,
      PageDown: at + 8,
      PageUp: Math.max(0, at - 8),
    };
    if (event.key === 'Enter' || event.key === ' ') this.#detail.focus();
    else if (event.key in targets) {
      const next = targets[/** @type {keyof typeof targets} */ (event.key)];
      this.#select(shown[Math.min(next, shown.length - 1)]);
    } else return;
    event.preventDefault();
  }

  #shown() {
    return this.#isFiltered ? this.#plans.filter(({ attempts }) => attempts.length > 0) : this.#plans;
  }

  /** @param {boolean} isFiltered */
  #filter(isFiltered) {
    this.#isFiltered = isFiltered;
    this.#list.classList.toggle('asked-only', isFiltered);
  }

  /** @param {ShownPlan | undefined} plan */
  #select(plan) {
    if (plan === undefined) return;
    this.#selected = plan;
    this.#markSelected();
    // Scrolls the list only: the page must not move while it is read.
    const item = this.#items.get(plan.id);
    if (item !== undefined) {
      const { offsetTop, offsetHeight } = item;
      const { scrollTop, clientHeight } = this.#list;
      if (offsetTop < scrollTop) this.#list.scrollTop = offsetTop;
      else if (offsetTop + offsetHeight > scrollTop + clientHeight)
        this.#list.scrollTop = offsetTop + offsetHeight - clientHeight;
    }
    this.#showDetail();
  }

  #markSelected() {
    for (const item of this.#list.querySelectorAll('[aria-selected="true"]'))
      item.setAttribute('aria-selected', 'false');
    const item = this.#selected && this.#items.get(this.#selected.id);
    item?.setAttribute('aria-selected', 'true');
    if (item) this.#list.setAttribute('aria-activedescendant', item.id);
    else this.#list.removeAttribute('aria-activedescendant');
  }

  #showDetail() {
    const plan = this.#selected;
    const advice = 'Select a plan to see who was asked and what came of it.';
    this.#detail.replaceChildren(plan === undefined ? muted(advice) : planDetail(plan, timeOfDay(plan.atMs)));
  }

  #toggleHold() {
    const held = this.#held;
    this.#held = held === undefined ? [] : undefined;
    this.#hold.setAttribute('aria-pressed', String(held === undefined));
    setText(this.#hold, held === undefined ? 'Show new ones' : 'Hold the list');
    if (held !== undefined) this.#insert(held);
  }
}
