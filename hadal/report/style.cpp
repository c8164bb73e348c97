#include "hadal/report/parts.h"

namespace hadal::report {

const char* const kStyle = R"css(
:root { color-scheme: light dark; --paper: #f6f7f8; --card: #fff; --ink: #1b1f24; --soft: #5d6672; --rule: #e1e4e8;
  --train: #2b6cb0; --val: #d9730d; --test: #2f855a; --c3: #805ad5; --c4: #c53078; --c5: #0e8a96; --c6: #8a6d1f; --c7: #6b7280;
  --good: #2f855a; --bad: #d03a3a; }
@media (prefers-color-scheme: dark) { :root { --paper: #121519; --card: #1a1e24; --ink: #e4e7eb; --soft: #98a2ae; --rule: #2e343c;
  --train: #63a4f4; --val: #f6a04d; --test: #5cc58d; --c3: #b197fc; --c4: #f783ac; --c5: #4fc3cf; --c6: #d6b656; --c7: #a1a8b3;
  --good: #4fb783; --bad: #f0706f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 28px 24px 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 32px 0 10px; }
header p { margin: 4px 0 0; color: var(--soft); }
.tiles { display: flex; flex-wrap: wrap; gap: 1px; margin: 20px 0 0; background: var(--rule);
  border: 1px solid var(--rule); border-radius: 8px; overflow: hidden; }
.tile { flex: 1 1 140px; background: var(--card); padding: 10px 14px; }
.tile b { display: block; font-size: 22px; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile.goal b { color: var(--val); }
.tile span, .tile i { display: block; color: var(--soft); font-size: 12px; font-style: normal; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 16px; margin: 16px 0 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); gap: 14px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px; margin: 0; min-width: 0; }
.chart { display: flex; flex-direction: column; }
.chart figcaption { display: flex; justify-content: space-between; align-items: baseline; gap: 12px; }
.legends { display: flex; flex-wrap: wrap; gap: 0 14px; margin-bottom: 12px; } .legends + .key { margin: -6px 0 8px; }
.legend { display: inline-flex; gap: 5px; align-items: baseline; font-size: 12px; cursor: pointer; color: var(--soft); white-space: nowrap; }
.legend input { position: absolute; opacity: 0; width: 0; height: 0; }
.legend s { width: 12px; height: 3px; border-radius: 2px; background: var(--s); align-self: center; text-decoration: none; }
.legend em { color: var(--ink); font-style: normal; font-variant-numeric: tabular-nums; }
.legend:has(input:not(:checked)) { opacity: .4; }
.legend:has(input:focus-visible), .scale label:has(input:focus-visible) { outline: 2px solid var(--train); outline-offset: 2px; border-radius: 3px; }
.scale { font-size: 12px; color: var(--soft); display: inline-flex; gap: 8px; }
.scale label { cursor: pointer; } .scale input { position: absolute; opacity: 0; width: 0; height: 0; }
.scale label:has(input:checked) { color: var(--ink); text-decoration: underline; text-underline-offset: 3px; }
.plot { position: relative; height: 210px; margin: auto 8px 20px 48px; }
.view { position: absolute; inset: 0; }
.view svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.view path { fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { stroke: var(--s); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.dots { stroke: var(--s); stroke-width: 5; stroke-linecap: round; }
.mark { stroke: var(--s); stroke-width: 9; stroke-linecap: round; }
.tick { position: absolute; font-size: 11px; line-height: 1; color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
.tick.y { right: calc(100% + 6px); transform: translateY(-50%); }
.tick.x { top: calc(100% + 6px); transform: translateX(-50%); }
.axis { text-align: center; font-size: 11px; color: var(--soft); margin: 0 0 -4px 44px; line-height: 1; }
.chart:has(.log:checked) .view.linear, .chart:has(.linear:checked) .view.log { display: none; }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--soft); pointer-events: none; }
.tip { position: absolute; top: 4px; z-index: 2; pointer-events: none; background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  padding: 4px 8px; font-size: 12px; white-space: nowrap; box-shadow: 0 2px 8px #0002; font-variant-numeric: tabular-nums; }
.tip span { display: block; } .tip s { display: inline-block; width: 8px; height: 8px; border-radius: 4px; margin-right: 5px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(46%, var(--side)), 1fr)); gap: 10px; }
.picture { margin: 0; min-width: 0; font-size: 12px; line-height: 1.3; }
.picture img { display: block; width: 100%; height: auto; border-radius: 5px; background: var(--rule); border: 2px solid transparent; }
.small img { image-rendering: pixelated; }
.picture figcaption { margin-top: 3px; overflow-wrap: anywhere; }
.picture.good img { border-color: var(--good); } .picture.bad img { border-color: var(--bad); }
.good .sign { color: var(--good); } .bad .sign { color: var(--bad); }
.sounds { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 230px), 1fr)); gap: 14px; }
.sound { margin: 0; min-width: 0; font-size: 12px; line-height: 1.3; }
.sound svg { display: block; width: 100%; height: 60px; background: var(--paper); border: 2px solid transparent; border-radius: 5px; }
.sound path { fill: none; stroke: var(--train); stroke-width: 1; vector-effect: non-scaling-stroke; }
.sound audio { display: block; width: 100%; height: 36px; margin: 4px 0; }
.sound figcaption { overflow-wrap: anywhere; }
.sound.good svg { border-color: var(--good); } .sound.bad svg { border-color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th { font-weight: 500; color: var(--soft); text-align: left; white-space: nowrap; }
.list td, .list th { padding: 3px 14px 3px 0; border-bottom: 1px solid var(--rule); }
.list .n { text-align: right; } .list thead th { position: sticky; top: 0; background: var(--card); }
.matrix td { min-width: 30px; height: 28px; padding: 0 5px; text-align: center; border: 1px solid var(--card); }
.matrix th { padding: 2px 6px; } .matrix tbody th { text-align: right; } .matrix thead th { text-align: center; vertical-align: bottom; }
.matrix .turned th span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 120px; overflow: hidden; text-overflow: ellipsis; }
.matrix .sum { color: var(--soft); font-size: 12px; } .matrix .none { color: var(--rule); }
.right { background: color-mix(in srgb, var(--train) calc(var(--p) * 1%), var(--card)); }
.wrong { background: color-mix(in srgb, var(--bad) calc(var(--p) * 1%), var(--card)); }
.key { color: var(--soft); font-size: 12px; margin: 8px 0 0; }
.pair { display: flex; flex-wrap: wrap; gap: 18px 56px; } .pair > * { min-width: 0; max-width: 100%; }
h3 { font-size: 13px; margin: 0 0 6px; }
pre { margin: 0; overflow-x: auto; font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; tab-size: 2; }
pre.text { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--soft); } details .scroll { max-height: 420px; overflow: auto; margin-top: 8px; }
footer { margin-top: 36px; color: var(--soft); font-size: 12px; }
@media (max-width: 600px) { main { padding: 18px 12px 32px; } .tile b { font-size: 19px; }
  .plot { height: 180px; } .card { padding: 10px; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 6px; } }
@media print { body { background: none; } .card { break-inside: avoid; } }
)css";

const char* const kScript = R"js(
document.querySelectorAll('.chart').forEach(chart => {
  const data = JSON.parse(chart.querySelector('script').textContent), plot = chart.querySelector('.plot');
  const boxes = [...chart.querySelectorAll('.legend input')], show = v => Math.abs(v) >= 1e5 || (v && Math.abs(v) < 1e-3)
    ? v.toExponential(2) : String(+v.toPrecision(5));
  let tip, cursor;
  const leave = () => { tip?.remove(); cursor?.remove(); tip = cursor = undefined; };
  const move = event => {
    const box = plot.getBoundingClientRect(), share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const x = data.low + share * (data.high - data.low), hits = [];
    data.series.forEach((series, i) => {
      if (!boxes[i].checked || !series.x.length) return;
      let low = 0, high = series.x.length - 1;
      while (high - low > 1) { const mid = (low + high) >> 1; if (series.x[mid] < x) low = mid; else high = mid; }
      const at = Math.abs(series.x[low] - x) <= Math.abs(series.x[high] - x) ? low : high;
      hits.push({ i, at: series.x[at], value: series.y[at], name: series.name, color: series.color });
    });
    leave();
    if (!hits.length) return;
    const nearest = hits.reduce((a, b) => Math.abs(a.at - x) <= Math.abs(b.at - x) ? a : b).at;
    const left = (nearest - data.low) / (data.high - data.low || 1) * 100;
    cursor = plot.appendChild(Object.assign(document.createElement('div'), { className: 'cursor' }));
    cursor.style.left = left + '%';
    tip = plot.appendChild(Object.assign(document.createElement('div'), { className: 'tip' }));
    tip.style[left < 55 ? 'left' : 'right'] = 'calc(' + (left < 55 ? left : 100 - left) + '% + 10px)';
    const line = (text, color) => {
      const span = tip.appendChild(document.createElement('span'));
      if (color) span.appendChild(document.createElement('s')).style.background = color;
      span.append(text);
    };
    line(data.label + ' ' + show(nearest));
    hits.filter(hit => hit.at === nearest).forEach(hit => line(hit.name + ' ' + (hit.value === null ? 'not finite' : show(hit.value)), hit.color));
  };
  plot.addEventListener('pointermove', move);
  plot.addEventListener('pointerdown', move);
  plot.addEventListener('pointerleave', leave);
});
)js";

}  // namespace hadal::report
