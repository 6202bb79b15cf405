/**
 * Creates elements without parsing text as markup: text from agents and models is only set through `textContent`.
 *
 * @typedef {Record<string, string | number | boolean | ((event: any) => void) | null | undefined>} Props
 */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props} [props] `class` and other attributes; a function is a listener; null, undefined and false are left out
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
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

/** A table with one head row; cells are text or elements.
 * @param {string} caption
 * @param {readonly string[]} head
 * @param {readonly (readonly (string | Node)[])[]} rows
 * @param {{ hidesCaption?: boolean }} [options] */
export function table(caption, head, rows, { hidesCaption = true } = {}) {
  return el(
    'table',
    {},
    el('caption', { class: hidesCaption ? 'unseen' : null }, caption),
    head.length === 0 ? null : el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)))),
    el(
      'tbody',
      {},
      ...rows.map(([first, ...rest]) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, first ?? ''),
          ...rest.map((cell, i) => el('td', { 'data-label': head[i + 1] }, cell)),
        ),
      ),
    ),
  );
}
