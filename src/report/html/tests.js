function findingTitle(f) {
  return el('h3', {}, el('q', {}, phraseText(f.phrase)), el('span', { class: 'arrow' }, ' → '), f.target);
}

function drawTests() {
  if (data.evidence === null || data.evidence.findings.length === 0) return;
  const findings = data.evidence.findings;
  byId('tests-list').append(...findings.slice(0, 200).map((f) => el('article', { class: `test ${f.verdict.replace(' ', '-')}` },
    el('div', { class: 'test-head' }, findingTitle(f), el('span', { class: `pill ${f.verdict.replace(' ', '-')}` }, f.verdict)),
    barRow('phrase', f.insertion, 'phrase', `${ofText(f.insertion)}`),
    barRow('control', f.controls, 'control', `${ofText(f.controls)}`))));
  const text = (rate) => (rate.n === 0 ? '–' : `${percent(share(rate))} (${count(rate.hits)} of ${count(rate.n)}; ${interval(rate)})`);
  const columns = [['Phrase'], ['Class'], ['Verdict'], ['Insertion', 1], ['Insertion, controls', 1], ['p', 1], ['Removal', 1],
    ['Removal, controls', 1], ['Label purity', 1], ['Share of the class', 1], ['p', 1], ['Keyword'], ['Flips of the keyword', 1],
    ['Flips of a like word', 1], ['Round', 1], ['Flagged', 1]].map(([title, number]) => ({ title, number: !!number }));
  byId('tests-table').append(table('Each value with its 95 % interval; p is corrected for the number of phrases tested',
    columns, findings.map((f) => [el('q', {}, phraseText(f.phrase)), f.target, f.verdict, text(f.insertion), text(f.controls),
      chance(f.insertion_p), text(f.removal), text(f.removal_controls), text(f.purity), percent(f.prior), chance(f.purity_p),
      f.keyword === '' ? '–' : `${cut(f.keyword, CUT)} (rank ${f.rank})`, text(f.flips), text(f.flips_alike), String(f.round),
      count(f.flagged)])));
  show('tests');
}
