/* Every phrase that was tested, with its controls. */
const MOST_TESTS = 200;

function testItem(f) {
  const kind = f.verdict.replace(' ', '-');
  const title = el('h3', {}, el('q', {}, phraseText(f.phrase)), el('span', {class: 'arrow'}, ' → '), f.target);
  return el(
      'article', {class: `test ${kind}`},
      el('div', {class: 'test-head'}, title, el('span', {class: `pill ${kind}`}, f.verdict)),
      barRow('phrase', f.insertion, 'phrase'), barRow('control', f.controls, 'control'));
}

function rateText(rate) { return rate.n === 0 ? '–' : `${percent(share(rate))} (${ofText(rate)}; ${interval(rate)})`; }
/* [title, what a finding has there]; numbers are aligned. */
const WORDS = [
  ['Phrase', (f) => el('q', {}, phraseText(f.phrase))], ['Class', (f) => f.target], ['Verdict', (f) => f.verdict],
  ['Keyword', (f) => (f.keyword === '' ? '–' : `${cut(f.keyword, CUT)} (rank ${f.rank})`)]
];
const NUMBERS = [
  ['Insertion', (f) => rateText(f.insertion)], ['Insertion, controls', (f) => rateText(f.controls)],
  ['p', (f) => chance(f.insertion_p)], ['Removal', (f) => rateText(f.removal)],
  ['Removal, controls', (f) => rateText(f.removal_controls)], ['Label purity', (f) => rateText(f.purity)],
  ['Share of the class', (f) => percent(f.prior)], ['p', (f) => chance(f.purity_p)],
  ['Flips of the keyword', (f) => rateText(f.flips)], ['Flips of a like word', (f) => rateText(f.flips_alike)],
  ['Round', (f) => String(f.round)], ['Flagged', (f) => count(f.flagged)]
];

function drawTests() {
  if (data.evidence === null || data.evidence.findings.length === 0) return;
  const findings = data.evidence.findings.slice(0, MOST_TESTS);
  const columns = [...WORDS, ...NUMBERS].map(([title], i) => ({title, number: i >= WORDS.length}));
  const rows = findings.map((f) => [...WORDS, ...NUMBERS].map(([, get]) => get(f)));
  byId('tests-list').append(...findings.map(testItem));
  byId('tests-table')
      .append(table('With 95 % intervals; p is corrected for the number of phrases tested', columns, rows));
  show('tests');
}
