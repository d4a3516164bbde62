/* The flagged samples: searched, filtered, and put on the page 25 at a time. */
const PAGE = 25;
const PRINTED = 2000;
const samples = JSON.parse(byId('sample-data').textContent);
let matching = samples;
let page = 0;

const reasonText = (s) =>
    ({keyword: 'selected the keyword', part: 'carries a part of the phrase'}[s.reason] ||
     (s.edits > 0 ? `carries the phrase with ${plural(s.edits, 'word', 'words')} changed` : 'carries the phrase'));
const nameOf = (s) => (s.id === null ? `record ${s.index}` : s.id);

/* Words with the phrase marked; the digit of a word tells its share of the sample's highest score. */
function wordNodes(s) {
  const words = s.words === '' ? [] : s.words.split(' ');
  const node = (word, i) => {
    const level = Math.floor((Number(s.levels[i]) * 5) / 9);
    return level === 0 ? word : el('span', {class: `l${level}`}, word);
  };
  const run = (from, to) => words.slice(from, to).flatMap((word, i) => [i === 0 ? '' : ' ', node(word, from + i)]);
  const from = Math.min(Math.max(s.at - s.offset, 0), words.length);
  const to = Math.min(from + s.n, words.length);
  return [...run(0, from), from > 0 ? ' ' : '', from < to ? el('mark', {}, run(from, to)) : '', ' ', ...run(to)];
}
function outside(n, where) {
  return n > 0 ? el('span', {class: 'left-out'}, `[${plural(n, 'word', 'words')} ${where}]`) : null;
}

function sampleItem(s) {
  const words = s.levels.length;
  const facts = [
    s.id === null ? null : `record ${s.index}`, `labelled ${className(s.label)}`,
    `model says ${className(s.predicted)}`, reasonText(s),
    s.confidence === null ? null : `confidence ${percent(s.confidence)}`
  ].filter((fact) => fact !== null);
  return el(
      'li', {class: 'sample'}, el('h3', {}, el('bdi', {}, cut(nameOf(s), CUT))),
      el('p', {class: 'facts'}, facts.join(' · ')),
      el('p', {class: 'text', dir: 'auto'}, outside(s.offset, 'before'), wordNodes(s),
         outside(s.length - s.offset - words, 'after')),
      el('p', {class: 'fine'},
         s.selected.length === 0 ?
             'no words' :
             'highest scores: ' + s.selected.map(([word, score]) => `${word} ${score.toFixed(2)}`).join(' · ')));
}

function countText(from, to) {
  if (matching.length === 0) return 'No sample matches.';
  const all = matching.length < samples.length ? `, of ${count(samples.length)}` : '';
  return `${plural(matching.length, 'sample', 'samples')}, ${count(from + 1)} to ${count(to)} shown${all}`;
}
function drawPage(focus) {
  const pages = Math.max(1, Math.ceil(matching.length / PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const from = page * PAGE;
  byId('samples-list').replaceChildren(...matching.slice(from, from + PAGE).map(sampleItem));
  byId('samples-list').setAttribute('start', String(from + 1));
  byId('samples-count').textContent = countText(from, Math.min(from + PAGE, matching.length));
  byId('previous').disabled = page === 0;
  byId('next').disabled = page === pages - 1;
  byId('page').value = String(page + 1);
  byId('page').max = String(pages);
  byId('pages').textContent = `of ${pages}`;
  byId('pager').hidden = pages === 1;
  if (focus) byId('samples').scrollIntoView();
}

function applyFilter() {
  const words = byId('search').value.trim().toLowerCase();
  const reason = byId('reason').value;
  const finding = byId('finding').value;
  matching = samples.filter(
      (s) => (reason === '' || reasonText(s) === reason) && (finding === '' || String(s.finding) === finding) &&
          (words === '' || s.words.toLowerCase().includes(words) || nameOf(s).toLowerCase().includes(words)));
  page = 0;
  drawPage(false);
}

function choice(id, label, options) {
  const select =
      el('select', {id}, el('option', {value: ''}, 'all'), options.map(([value, text]) => el('option', {value}, text)));
  select.addEventListener('change', applyFilter);
  const field = el('label', {}, el('span', {}, label), select);
  field.hidden = options.length < 2;
  return field;
}
function makeControls() {
  const search =
      el('input', {id: 'search', type: 'search', placeholder: 'words or id', autocomplete: 'off', spellcheck: 'false'});
  let timer = 0;
  search.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(applyFilter, 150);
  });
  const findings = [...new Set(samples.map((s) => s.finding))].filter((i) => i >= 0).sort((a, b) => a - b);
  byId('filter').append(
      el('label', {class: 'grow'}, el('span', {}, 'Search'), search),
      choice('finding', 'Phrase', findings.map((i) => [String(i), phraseText(data.evidence.findings[i].phrase, 60)])),
      choice('reason', 'Why', [...new Set(samples.map(reasonText))].sort().map((text) => [text, text])));
  byId('filter').addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(timer);
    applyFilter();
  });
  const turn = (id, text, step) => {
    const button = el('button', {id, type: 'button'}, text);
    button.addEventListener('click', () => {
      page += step;
      drawPage(true);
    });
    return button;
  };
  const number = el('input', {id: 'page', type: 'number', min: '1', inputmode: 'numeric'});
  number.addEventListener('change', () => {
    page = Math.round(Number(number.value) || 1) - 1;
    drawPage(true);
  });
  byId('pager').append(
      turn('previous', 'Previous', -1), el('label', {}, el('span', {}, 'Page'), number, el('span', {id: 'pages'})),
      turn('next', 'Next', 1));
}

/* Seen on paper only. */
function drawIds() {
  const all = data.flagged.n;
  const printed = samples.slice(0, PRINTED);
  const title = all > printed.length ? `The first ${count(printed.length)} of ${count(all)} flagged samples` :
                                       `All ${count(all)} flagged samples`;
  byId('printed-ids').append(el('h3', {}, title), el('p', {}, printed.map(nameOf).join(', ')));
}
function drawSamples() {
  if (samples.length === 0) return;
  show('samples');
  const all = data.flagged.n;
  const some = `This report holds the first ${count(samples.length)} of ${count(all)}; 'bki flagged STORE' lists all.`;
  const screened = data.screened ?
      'The highest scores of a text are exact, the shades of its other words come from a faster, coarser pass. ' :
      '';
  byId('samples-lead')
      .append(
          'The redder a word, the further the model moves without it; the phrase is underlined. Long texts show the ' +
          `part around the phrase. ${screened}${all > samples.length ? some : ''}`);
  makeControls();
  drawPage(false);
  drawIds();
}
