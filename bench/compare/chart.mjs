// Bar charts as SVG, legible on light and on dark pages.
import { writeFileSync } from 'node:fs';
import * as echarts from 'echarts';

/** The colours of a light page. The style below replaces them on a dark one. */
const TEXT = '#1f2328';
const LINE = '#d1d9e0';
const DARK = { [TEXT]: '#f0f6fc', [LINE]: '#3d444d' };

const COLOURS = { latchkey: '#2da44e', 'better-auth': '#bf8700', ceiling: '#818b98' };

const WIDTH = 760;
const BAR_HEIGHT = 34;
const MARGINS = 70;

/** @param rates pairs of a subject's name and its rate. */
export function drawRates(file, title, rates) {
  const bars = rates.toReversed();
  const height = bars.length * BAR_HEIGHT + MARGINS;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: 'transparent',
    title: { text: title, left: 'center', top: 6, textStyle: { color: TEXT, fontSize: 15 } },
    grid: { left: 190, right: 70, top: 40, bottom: 28 },
    xAxis: { type: 'value', axisLabel: { color: TEXT }, splitLine: { lineStyle: { color: LINE } } },
    yAxis: {
      type: 'category',
      data: bars.map(([name]) => name),
      axisLabel: { color: TEXT },
      axisLine: { lineStyle: { color: LINE } },
      axisTick: { show: false },
    },
    series: {
      type: 'bar',
      barWidth: 20,
      label: { show: true, position: 'right', color: TEXT, formatter: ({ value }) => value.toLocaleString('en') },
      data: bars.map(([name, rate]) => ({ value: Math.round(rate), itemStyle: { color: COLOURS[name.split(',')[0]] } })),
    },
  });
  writeFileSync(file, withDarkColours(chart.renderToSVGString()));
  chart.dispose();
}

/** ECharts writes colours as attributes, which a style overrides. */
function withDarkColours(svg) {
  const rules = Object.entries(DARK).flatMap(([light, dark]) => {
    return ['fill', 'stroke'].map((property) => `[${property}="${light}"]{${property}:${dark}}`);
  });
  const style = `<style>@media (prefers-color-scheme: dark){${rules.join('')}}</style>`;
  return svg.replace(/<svg[^>]*>/, (start) => `${start}\n${style}`);
}
