'use strict';

/* Everything that a corpus wrote reaches the page as the text of a node, after this: characters that control, hide or
   reorder show as escapes, very long words are cut. */
const CUT = 100;
function visible(text) {
  return String(text).replace(/[\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]/gu, (c) => {
    const code = c.codePointAt(0);
    const named = {9: '\\t', 10: '\\n', 13: '\\r', 92: '\\\\'}[code];
    const digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
    return named || '\\' + {2: 'x', 4: 'u', 8: 'U'}[digits] + code.toString(16).padStart(digits, '0');
  });
}
function cut(text, most) {
  const points = Array.from(String(text).slice(0, 2 * most + 2));
  return points.length > most ? points.slice(0, most).join('') + '…' : String(text);
}
/* Each word of a phrase cut, and the phrase as a whole. */
function phraseText(phrase, most = 300) {
  return cut(phrase.slice(0, 20000).split(' ').map((word) => cut(word, CUT)).join(' '), most);
}

/* el('p', { class: 'note' }, 'text', node): strings become text nodes; null is left out. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children.flat()) {
    if (child !== null) node.append(typeof child === 'object' ? child : document.createTextNode(visible(child)));
  }
  return node;
}
function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children)
    node.append(typeof child === 'object' ? child : document.createTextNode(visible(child)));
  return node;
}
const byId = (id) => document.getElementById(id);
function show(id) {
  byId(id).hidden = false;
  document.querySelector(`nav a[href="#${id}"]`).hidden = false;
}

/* columns: [{ title, number: bool }]; rows: arrays of strings or nodes. The wrapper scrolls, also by keyboard. */
function table(caption, columns, rows) {
  const cell = (value, i) =>
      el(i === 0 ? 'th' : 'td', {...(i === 0 ? {scope: 'row'} : {}), ...(columns[i].number ? {class: 'number'} : {})},
         value);
  const head = columns.map((c) => el('th', {scope: 'col', ...(c.number ? {class: 'number'} : {})}, c.title));
  return el(
      'div', {class: 'scroll', role: 'region', tabindex: '0', 'aria-label': caption},
      el('table', {}, el('caption', {}, caption), el('thead', {}, el('tr', {}, head)),
         el('tbody', {}, rows.map((row) => el('tr', {}, row.map(cell))))));
}

const count = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;
/* "98.5 %", "95 %"; nothing else than none is 0 %, and than all 100 %. As html_text.c has it. */
function percent(share) {
  const tenths = Math.floor(1000 * share + 0.5);
  return `${(share > 0 && tenths < 1 ? 1 : share < 1 && tenths > 999 ? 999 : tenths) / 10}\u00a0%`;
}
const share = (rate) => (rate.n === 0 ? 0 : rate.hits / rate.n);
const interval = (rate) => `${percent(rate.low).replace('\u00a0%', '')} to ${percent(rate.high)}`;
/* "p < 10⁻¹⁵"; probabilities corrected for many tests may exceed 1. */
function chance(p) {
  if (p >= 0.001) return `p\u00a0=\u00a0${Math.min(1, p).toFixed(3)}`;
  const exponent = p > 0 ? Math.ceil(Math.log10(p)) : -300;
  const raised = String(-exponent).replace(/\d/g, (d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]);
  return `p\u00a0<\u00a010⁻${raised}`;
}
const className = (i) => (i >= 0 && i < data.classes.length ? data.classes[i] : 'no label');

const data = JSON.parse(byId('data').textContent);
/* Findings worth a place on the first screen. */
const found = data.evidence === null ?
    [] :
    data.evidence.findings.filter((f) => f.verdict !== 'none found' && f.verdict === data.evidence.verdict);
