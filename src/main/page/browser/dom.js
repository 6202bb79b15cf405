/**
 * Creates elements without parsing text as markup: text from agents and models is only set through `textContent`.
 *
 * @typedef {Record<string, string | number | boolean | ((event: any) => void) | null | undefined>} Props
 */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props | string} [props] attributes, or the class alone; a function is a listener; null, undefined and false are left out
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  const given = typeof props === 'string' ? { class: props } : props;
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** A framed part of the page. @param {...(Node | string | null | undefined)} children */
export function card(...children) {
  return el('div', 'card', ...children);
}

/** A paragraph of lesser weight. @param {string} text */
export function muted(text) {
  return el('p', 'muted', text);
}

/** Shows the section that an element is in, or hides it. @param {Element} element @param {boolean} isShown */
export function showSection(element, isShown) {
  /** @type {HTMLElement} */ (element.closest('section')).hidden = !isShown;
}

/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Sets the text only if it differs, so that a selection in it survives.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A table with one head row, or none; cells are text or elements.
 * @param {string} caption for screen readers
 * @param {readonly string[]} head
 * @param {readonly (readonly (string | Node)[])[]} rows
 * @param {'stacked'} [layout] `stacked`: each row becomes a block on a narrow screen
 */
export function table(caption, head, rows, layout) {
  const heads = el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)));
  const body = rows.map(([first, ...rest]) => {
    const cells = rest.map((cell, i) => el('td', { 'data-label': head[i + 1] }, cell));
    return el('tr', {}, el('th', { scope: 'row' }, first ?? ''), ...cells);
  });
  return el(
    'table',
    { class: layout },
    el('caption', 'unseen', caption),
    head.length === 0 ? null : el('thead', {}, heads),
    el('tbody', {}, ...body),
  );
}
