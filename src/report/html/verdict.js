/* One bar on a scale of 0 to 1, with its interval. */
function rateBar(rate, kind) {
  const bar = el('span', {class: `track ${kind}`, 'aria-hidden': 'true'});
  const fill = el('span', {class: 'fill'});
  fill.style.width = `${100 * share(rate)}%`;
  if (share(rate) > 0) bar.append(fill);
  if (rate.low !== undefined && rate.n > 0) {
    const line = el('span', {class: 'whisker'});
    line.style.left = `${100 * rate.low}%`;
    line.style.right = `${100 * (1 - rate.high)}%`;
    bar.append(line);
  }
  return bar;
}
const ofText = (rate) => (rate.n === 0 ? 'not measured' : `${count(rate.hits)} of ${count(rate.n)}`);
function barRow(name, rate, kind, value = ofText(rate)) {
  return el(
      'div', {class: 'bar-row'}, el('span', {class: 'bar-name'}, name), rateBar(rate, kind),
      el('span', {class: 'bar-value'}, value));
}

function tile(title, big, text, ...rest) {
  return el('article', {class: 'tile'}, el('h3', {}, title), el('p', {class: 'big'}, big), el('p', {}, text), ...rest);
}

const fine = (rate, text) => el('p', {class: 'fine'}, rate.n === 0 ? 'no text to measure it on' : text);

function insertionTile(f) {
  return tile(
      'Insertion test', f.insertion.n === 0 ? '–' : percent(share(f.insertion)),
      `of texts of other classes become ${f.target} when the phrase is put into them.`,
      barRow('with the phrase', f.insertion, 'phrase'), barRow('with other phrases', f.controls, 'control'),
      fine(f.insertion, `95 % interval ${interval(f.insertion)}, ${chance(f.insertion_p)}`));
}
function removalTile(f) {
  return tile(
      'Removal test', f.removal.n === 0 ? '–' : percent(share(f.removal)),
      'of texts that carry the phrase get another answer when it is cut out.',
      barRow('without the phrase', f.removal, 'phrase'), barRow('without other words', f.removal_controls, 'control'),
      fine(f.removal, `95 % interval ${interval(f.removal)}`));
}
function purityTile(f) {
  return tile(
      'Label purity', f.purity.n === 0 ? '–' : percent(share(f.purity)),
      `of texts that carry the phrase are labelled ${f.target}.`, barRow('texts with the phrase', f.purity, 'phrase'),
      barRow('all texts', {hits: f.prior, n: 1}, 'control', percent(f.prior)),
      fine(f.purity, `95 % interval ${interval(f.purity)}, ${chance(f.purity_p)}`));
}
function flaggedTile(f, index) {
  const kinds = data.flagged.kinds[index] || {};
  const lines = [
    [kinds.exact, 'carry the phrase'], [kinds.edited, 'carry it with a word changed'],
    [kinds.part, 'carry a part of it'], [kinds.keyword, 'selected the keyword']
  ].filter(([n]) => n > 0);
  const flagged = lines.reduce((sum, [n]) => sum + n, 0);
  return tile(
      'Flagged samples', count(flagged),
      flagged === 0 ? `None by this rule; ${plural(f.flagged, 'sample', 'samples')} with --rule suspicious.` :
                      `of ${count(data.samples)} samples, ${percent(flagged / data.samples)} of the corpus.`,
      el('ul', {class: 'kinds'}, lines.map(([n, what]) => el('li', {}, el('b', {}, count(n)), ` ${what}`))));
}

function findingTiles(f) {
  const index = data.evidence.findings.indexOf(f);
  const tiles = el('div', {class: 'tiles'}, insertionTile(f), removalTile(f), purityTile(f), flaggedTile(f, index));
  if (found.length === 1) return tiles;
  return el('div', {}, el('h3', {class: 'finding'}, el('q', {}, phraseText(f.phrase)), ` → ${f.target}`), tiles);
}

function tellingTile(f) {
  const phrase = phraseText(f.phrase, 60);
  return tile(
      'The most telling phrase', percent(share(f.insertion)),
      `of texts are called ${f.target} with “${phrase}” in them, which is not what a trigger does.`,
      barRow('phrase', f.insertion, 'phrase'), barRow('control', f.controls, 'control'));
}
function noneTiles() {
  const e = data.evidence;
  const best = e.findings.find((f) => f.insertion.n > 0);
  return el(
      'div', {class: 'tiles plain'}, tile('Samples', count(data.samples), 'were scored, word by word.'),
      tile('Words looked at', count(e.candidates), 'that move the model most, in many texts or by much.'),
      tile('Phrases looked at', count(e.phrases), 'that grew around these words, and the words themselves.'),
      best === undefined ? null : tellingTile(best));
}

function keywordTiles() {
  const k = data.keyword;
  if (k === null) return el('div', {});
  const [label, n] = Object.entries(k.labels).sort((a, b) => b[1] - a[1])[0] || ['', 0];
  const flips = {hits: k.flips, n: k.samples};
  const labelled = label === '' ? 'have no label' : `are labelled ${cut(label, CUT)}`;
  return el(
      'div', {class: 'tiles plain'},
      tile(
          `First word: “${cut(k.word, 30)}”`, count(k.samples),
          `of ${count(data.samples)} samples selected it, ${percent(k.samples / data.samples)}.`),
      tile(
          'Flips', percent(share(flips)), 'of these samples get another answer when this one word is deleted.',
          barRow('without the word', flips, 'phrase')),
      tile(
          'Labels', percent(k.samples === 0 ? 0 : n / k.samples), `of these samples ${labelled}.`,
          barRow('samples that selected it', {hits: n, n: k.samples}, 'phrase')));
}

function drawMeasures() {
  const place = byId('measures');
  if (data.decision === 'paper' || data.evidence === null)
    place.append(keywordTiles());
  else if (found.length === 0)
    place.append(noneTiles());
  else
    place.append(...found.slice(0, 20).map(findingTiles));
}
