import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { EChartsOption } from 'echarts';
import type { GuessOutcome } from './guess.js';
import type { PumpOutcome } from './pump.js';

/** Read on white as well as on a dark page. */
const TEXT = '#7d8590';
const GRID_LINE = '#7d859055';
const GENUINE = '#2da44e';
const ATTACK = '#e5534b';

const CHARTED = ['five_sequential_blocks', 'one_foreign_country', 'random_home_numbers', 'hidden_in_a_burst'];

/** @param root of the repository, wherever the command was started. */
export async function drawPumping(root: string, outcomes: readonly PumpOutcome[]): Promise<void> {
  const drawn = outcomes.filter(({ name }) => CHARTED.includes(name));
  const panels = drawn.map(({ name, attack }, i) => ({
    name,
    title: `${name}: ${attack.paid.toLocaleString('en')} of ${attack.offered.toLocaleString('en')} paid`,
    left: i % 2 === 0 ? 60 : 520,
    top: i < 2 ? 90 : 360,
  }));
  const axis = {
    axisLabel: { color: TEXT },
    nameTextStyle: { color: TEXT },
    splitLine: { lineStyle: { color: GRID_LINE } },
  };
  const line = (name: string, colour: string, i: number, values: readonly number[]) => ({
    name,
    type: 'line' as const,
    xAxisIndex: i,
    yAxisIndex: i,
    symbolSize: colour === ATTACK ? 5 : 0,
    lineStyle: { color: colour, width: 2 },
    itemStyle: { color: colour },
    // A logarithm has no zero: a minute without messages is a gap, and one between two such a dot.
    data: values.map((messages, minute) => [minute, messages > 0 ? messages : null]),
  });
  await draw(path.join(root, 'bench/results/pump.svg'), 920, 620, {
    legend: { data: ['genuine, sent', 'attack, paid'], top: 34, textStyle: { color: TEXT } },
    title: [
      {
        text: 'Messages per minute (logarithmic)',
        left: 'center',
        top: 6,
        textStyle: { color: TEXT, fontSize: 16 },
      },
      ...panels.map(({ title, left, top }) => ({
        text: title,
        left,
        top: top - 26,
        textStyle: { color: TEXT, fontSize: 12 },
      })),
    ],
    grid: panels.map(({ left, top }) => ({ left, top, width: 370, height: 190 })),
    xAxis: panels.map((_, i) => ({
      ...axis,
      type: 'value' as const,
      gridIndex: i,
      min: 0,
      max: 60,
      name: 'minute',
      nameLocation: 'middle' as const,
      nameGap: 24,
      splitLine: { show: false },
    })),
    yAxis: panels.map((_, i) => ({ ...axis, type: 'log' as const, gridIndex: i, min: 1, max: 10_000 })),
    series: drawn.flatMap(({ minutes }, i) => [
      line('genuine, sent', GENUINE, i, minutes.genuine.slice(0, 60)),
      line('attack, paid', ATTACK, i, minutes.attack.slice(0, 60)),
    ]),
  });
}

export async function drawGuessing(root: string, outcomes: readonly GuessOutcome[]): Promise<void> {
  const bars = outcomes.toReversed();
  await draw(path.join(root, 'bench/results/guess.svg'), 920, 300, {
    title: {
      text: 'Takeovers per attacked account and year (logarithmic)',
      left: 'center',
      top: 6,
      textStyle: { color: TEXT, fontSize: 16 },
    },
    grid: { left: 230, right: 90, top: 50, bottom: 40 },
    xAxis: {
      type: 'log',
      min: 1e-7,
      // Otherwise bars begin at one, which is where the longest of them ends.
      startValue: 1e-7,
      max: 1,
      axisLabel: { color: TEXT, formatter: (value: number) => shortly(value) },
      splitLine: { lineStyle: { color: GRID_LINE } },
    },
    yAxis: { type: 'category', data: bars.map(({ name }) => name), axisLabel: { color: TEXT } },
    series: {
      type: 'bar',
      barWidth: 26,
      label: { show: true, position: 'right', color: TEXT, formatter: ({ value }) => shortly(Number(value)) },
      data: bars.map(({ name, takeoversPerAccountYear }) => ({
        value: takeoversPerAccountYear,
        itemStyle: { color: name === 'latchkey' ? GENUINE : ATTACK },
      })),
    },
  });
}

function shortly(value: number): string {
  return value >= 0.01
    ? `${Number((value * 100).toPrecision(3))} %`
    : value.toExponential(1).replace('.0', '');
}

async function draw(file: string, width: number, height: number, option: EChartsOption): Promise<void> {
  // Half a second, and a dependency of development only.
  const { init } = await import('echarts');
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({ animation: false, backgroundColor: 'transparent', ...option });
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, chart.renderToSVGString());
  chart.dispose();
}
