/* The candidates: count on a logarithmic axis against the mean score, with curves of equal g. */
const keyword = data.keyword === null ? [] : [data.keyword.word];
/* Another preset ranks by another formula. */
const hasCurves = data.rule.preset === 'paper';
const byKeyword = data.decision === 'paper' || data.evidence === null;
const triggerWords = new Set(byKeyword ? keyword : found.flatMap((f) => f.phrase.split(' ')));
const points = data.candidates.rows.map(
    ([word, n, samples, flips, mean, g, labels], i) =>
        ({x: n, y: mean, word, samples, flips, g, labels, rank: i + 1, trigger: triggerWords.has(word)}));

/* On paper the colours are the light ones, whatever the screen has, and the page is narrower. */
let onPaper = false;
const PAPER_WIDTH = 640;
function color(name) {
  return getComputedStyle(onPaper ? byId('light-colors') : document.documentElement)
      .getPropertyValue(`--${name}`)
      .trim();
}

/* Three or four round values of g below the best, from few digits. */
function contourLevels(best) {
  const step = [0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10, 20, 50, 100].find((s) => best / s < 4.5) || best / 4;
  return Array.from({length: Math.floor(best / step + 1e-9)}, (_, i) => (i + 1) * step);
}
function contour(g, maxX, maxY) {
  const from = g / maxY;
  const to = Math.log10(maxX);
  if (from >= to) return [];
  return Array.from({length: 41}, (_, i) => from + ((to - from) * i) / 40).map((t) => ({x: 10 ** t, y: g / t}));
}

/* Boxes within an area that do not overlap: `place` takes the first of several that is free, or gives undefined. */
function makePlacer(area) {
  const taken = [];
  const apart = (a, b) => a.x >= b.x + b.w || b.x >= a.x + a.w || a.y >= b.y + b.h || b.y >= a.y + a.h;
  const inside = (box) => box.x >= area.left && box.x + box.w <= area.right && box.y >= area.top;
  const place = (boxes) => {
    const found = boxes.find((box) => inside(box) && taken.every((other) => apart(box, other)));
    if (found !== undefined) taken.push(found);
    return found;
  };
  return {place, block: (box) => taken.push(box)};
}
const pixelOf = (chart, p) => [chart.scales.x.getPixelForValue(p.x), chart.scales.y.getPixelForValue(p.y)];

/* The words beside the points that matter, where there is room. */
function drawNames(chart, placer) {
  const {ctx} = chart;
  const triggers = points.filter((p) => p.trigger).slice(0, 12);
  for (const p of triggers) {
    const [x, y] = pixelOf(chart, p);
    placer.block({x: x - 6, y: y - 6, w: 12, h: 12});
  }
  for (const p of triggers.concat(points.filter((q) => !q.trigger).slice(0, 6))) {
    const [x, y] = pixelOf(chart, p);
    const text = visible(cut(p.word, 24));
    ctx.font = `${p.trigger ? '600 13px' : '12px'} ${Chart.defaults.font.family}`;
    const w = ctx.measureText(text).width;
    const corners = [[x + 10, y - 8], [x - 10 - w, y - 8], [x - w / 2, y - 24], [x - w / 2, y + 8]];
    const box = placer.place(corners.map(([left, top]) => ({x: left, y: top, w, h: 16})));
    if (box === undefined) continue;
    ctx.fillStyle = color(p.trigger ? 'accent' : 'muted');
    ctx.fillText(text, box.x, box.y + 8);
  }
}
/* What the curves mean, at their right end. */
function drawLevels(chart, placer) {
  const {ctx, chartArea} = chart;
  ctx.font = `11px ${Chart.defaults.font.family}`;
  ctx.fillStyle = color('muted');
  for (const set of chart.data.datasets.filter((d) => d.level !== undefined && d.data.length > 0)) {
    const y = pixelOf(chart, set.data[set.data.length - 1])[1] - 8;
    const w = ctx.measureText(set.label).width;
    const box = placer.place([{x: chartArea.right - 4 - w, y: y - 7, w, h: 14}]);
    if (box !== undefined) ctx.fillText(set.label, box.x, y);
  }
}
const namePlugin = {
  id: 'names',
  afterDatasetsDraw(chart) {
    const placer = makePlacer(chart.chartArea);
    chart.ctx.save();
    chart.ctx.textBaseline = 'middle';
    drawNames(chart, placer);
    drawLevels(chart, placer);
    chart.ctx.restore();
  },
};

function pointSet(label, trigger) {
  return {
    type: 'scatter',
    label,
    data: points.filter((p) => p.trigger === trigger),
    pointStyle: trigger ? 'triangle' : 'circle',
    pointRadius: trigger ? 7 : 3,
    pointHoverRadius: trigger ? 9 : 6,
    order: trigger ? 0 : 1,
    pointBackgroundColor: trigger ? color('accent') : color('dot'),
    pointBorderColor: color(trigger ? 'surface' : 'dot-line')
  };
}
function curve(g, maxX, maxY) {
  return {
    type: 'line',
    level: g,
    label: `g = ${Number(g.toPrecision(3))}`,
    data: contour(g, maxX, maxY),
    borderColor: color('line-strong'),
    borderWidth: 1,
    borderDash: [4, 4],
    pointRadius: 0,
    pointHitRadius: 0,
    order: 2
  };
}
function scatterData() {
  const maxX = Math.max(10, ...points.map((p) => p.x)) * 1.6;
  const maxY = Math.max(1e-9, ...points.map((p) => p.y)) * 1.12;
  const triggers = pointSet(byKeyword ? 'keyword by the paper’s rule' : 'words of the phrase', true);
  const sets = [triggers, pointSet('other words', false)].filter((set) => set.data.length > 0);
  const best = points.reduce((most, p) => Math.max(most, p.g), 0);
  const levels = best > 0 && hasCurves ? contourLevels(best) : [];
  return {sets: {datasets: sets.concat(levels.map((g) => curve(g, maxX, maxY)))}, maxX, maxY};
}

function tooltipLines(p) {
  return [
    `rank ${p.rank}, g = ${p.g.toFixed(3)}`, `count ${count(p.x)} in ${plural(p.samples, 'sample', 'samples')}`,
    `mean score ${p.y.toFixed(3)}`, `deleting it changes ${plural(p.flips, 'answer', 'answers')}`,
    ...p.labels.map(([label, n]) => visible(`${cut(className(label), 40)} ${percent(n / p.samples)}`))
  ];
}
/* Lines at powers of ten only; the linear axis has no others. */
const gridColor = (line) => (line.tick && line.tick.label === '' ? 'transparent' : color('line'));
function axis(title, ticks, more) {
  return {
    title: {display: true, text: title, color: color('muted')},
    grid: {color: gridColor, drawBorder: false},
    ticks: {color: color('muted'), maxRotation: 0, ...ticks},
    ...more
  };
}
function scatterOptions(maxX, maxY) {
  const powers = (value) => (/^1(0*)$/.test(String(value)) ? count(value) : '');
  const plain = (value, i, ticks) => (i === ticks.length - 1 ? '' : String(Number(value.toPrecision(3))));
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    scales: {
      x: axis(
          'count: how often texts nominated the word', {callback: powers, autoSkip: false},
          {type: 'logarithmic', min: 0.8, max: maxX}),
      y: axis('mean score', {callback: plain}, {type: 'linear', min: 0, max: maxY}),
    },
    plugins: {
      legend: {
        labels: {
          color: color('ink'),
          usePointStyle: true,
          boxWidth: 8,
          boxHeight: 8,
          filter: (item, d) => d.datasets[item.datasetIndex].level === undefined
        }
      },
      tooltip: {
        displayColors: false,
        filter: (item) => item.raw.word !== undefined,
        callbacks: {
          title: (items) => items.map((item) => visible(cut(item.raw.word, 40))),
          label: (item) => tooltipLines(item.raw)
        },
      },
    },
  };
}

let chart = null;
function drawScatter() {
  if (points.length === 0) return;
  show('candidates');
  if (chart !== null) chart.destroy();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const {sets, maxX, maxY} = scatterData();
  chart = new Chart(byId('scatter'), {data: sets, options: scatterOptions(maxX, maxY), plugins: [namePlugin]});
  if (onPaper) chart.resize(PAPER_WIDTH, 340);
}
function candidateRow(p) {
  const word = cut(p.word, CUT);
  const labels = p.labels.map(([label, n]) => `${className(label)} ${percent(n / p.samples)}`).join(', ');
  return [
    p.trigger ? el('b', {}, word, ' ', el('span', {class: 'pill'}, 'trigger')) : word, String(p.rank), count(p.x),
    count(p.samples), count(p.flips), p.y.toFixed(4), p.g.toFixed(4), labels
  ];
}
function describeCandidates() {
  if (points.length === 0) return;
  byId('nominated').append(String(data.rule.p));
  byId('curves').hidden = !hasCurves;
  const tell = (p) => `${cut(p.word, 40)} (count ${p.x}, mean ${p.y.toFixed(2)}, g ${p.g.toFixed(2)})`;
  const best = points.slice(0, 3).map(tell).join('; ');
  const label = `Scatter of ${points.length} words, count against mean score. Best: ${best}.`;
  byId('scatter').setAttribute('aria-label', visible(label));
  const all = data.candidates.distinct;
  byId('scatter-note')
      .append(
          all > points.length ? `The best ${count(points.length)} of ${count(all)} words; all others have a lower g.` :
                                `All ${count(all)} words that a text nominated.`);
  const titles = ['Word', 'Rank', 'Count', 'Samples', 'Flips', 'Mean', 'g', 'Labels'];
  const columns = titles.map((title, i) => ({title, number: i > 0 && i < 7}));
  byId('candidates-table').append(table('The best 50 words', columns, points.slice(0, 50).map(candidateRow)));
}
