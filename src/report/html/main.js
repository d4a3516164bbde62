function drawRun() {
  byId('run-list')
      .append(...data.run.map(
          ([title, rows]) =>
              el('div', {class: 'group'}, el('h3', {}, title),
                 el('dl', {}, rows.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))))));
  show('run');
  if (data.made !== null) byId('made').append(`, ${data.made}`);
}

drawMeasures();
describeCandidates();
drawScatter();
drawTests();
describeFlow();
drawSamples();
drawRun();

function redraw() {
  drawScatter();
  if (data.flow.length > 0) drawFlow();
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
addEventListener('beforeprint', () => {
  onPaper = true;
  redraw();
});
addEventListener('afterprint', () => {
  onPaper = false;
  redraw();
});
let drawnWidth = innerWidth;
addEventListener('resize', () => {
  if (innerWidth !== drawnWidth && data.flow.length > 0) drawFlow();
  drawnWidth = innerWidth;
});
