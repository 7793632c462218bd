import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { EChartsOption } from 'echarts';
import { installed } from '../installed.js';
import type { GuessOutcome } from './guess.js';
import type { PumpOutcome } from './pump.js';

/** Readable on a white and on a dark page. */
const TEXT = '#7d8590';
const GRID_LINE = '#7d859055';
const GENUINE = '#2da44e';
const ATTACK = '#e5534b';

const CHARTED = ['five_sequential_blocks', 'one_foreign_country', 'random_home_numbers', 'hidden_in_a_burst'];
const CHARTED_MINUTES = 60;

const AXIS = {
  axisLabel: { color: TEXT },
  nameTextStyle: { color: TEXT },
  splitLine: { lineStyle: { color: GRID_LINE } },
};

/** The chart of one scenario. */
interface Panel {
  readonly outcome: PumpOutcome;
  readonly left: number;
  readonly top: number;
}

/** @param root the project folder, independent of the working directory. */
export async function drawPumping(root: string, outcomes: readonly PumpOutcome[]): Promise<void> {
  const panels = outcomes
    .filter(({ name }) => CHARTED.includes(name))
    .map((outcome, i) => ({ outcome, left: i % 2 === 0 ? 60 : 520, top: i < 2 ? 90 : 360 }));
  await draw(path.join(root, 'bench/results/pump.svg'), 920, 620, {
    legend: { data: ['genuine, sent', 'attack, paid'], top: 34, textStyle: { color: TEXT } },
    title: [titleOf('Messages per minute (logarithmic)'), ...panels.map(panelTitleOf)],
    grid: panels.map(({ left, top }) => ({ left, top, width: 370, height: 190 })),
    xAxis: panels.map((_, i) => minuteAxis(i)),
    yAxis: panels.map((_, i) => ({ ...AXIS, type: 'log' as const, gridIndex: i, min: 1, max: 10_000 })),
    series: panels.flatMap(({ outcome: { minutes } }, i) => [
      { ...lineOf('genuine, sent', GENUINE, minutes.genuine), xAxisIndex: i, yAxisIndex: i },
      { ...lineOf('attack, paid', ATTACK, minutes.attack), xAxisIndex: i, yAxisIndex: i },
    ]),
  });
}

function titleOf(text: string) {
  return { text, left: 'center', top: 6, textStyle: { color: TEXT, fontSize: 16 } };
}

function panelTitleOf({ outcome: { name, attack }, left, top }: Panel) {
  const text = `${name}: ${attack.paid.toLocaleString('en')} of ${attack.offered.toLocaleString('en')} paid`;
  return { text, left, top: top - 26, textStyle: { color: TEXT, fontSize: 12 } };
}

function minuteAxis(gridIndex: number) {
  return {
    ...AXIS,
    type: 'value' as const,
    gridIndex,
    min: 0,
    max: CHARTED_MINUTES,
    name: 'minute',
    nameLocation: 'middle' as const,
    nameGap: 24,
    splitLine: { show: false },
  };
}

function lineOf(name: string, colour: string, messagesByMinute: readonly number[]) {
  return {
    name,
    type: 'line' as const,
    // A single minute between two gaps has no line and is visible as a dot only.
    symbolSize: colour === ATTACK ? 5 : 0,
    lineStyle: { color: colour, width: 2 },
    itemStyle: { color: colour },
    // A logarithmic axis has no zero, so a minute without messages is a gap.
    data: messagesByMinute
      .slice(0, CHARTED_MINUTES)
      .map((messages, minute) => [minute, messages > 0 ? messages : null]),
  };
}

/** @param root the project folder, independent of the working directory. */
export async function drawGuessing(root: string, outcomes: readonly GuessOutcome[]): Promise<void> {
  const bars = outcomes.toReversed();
  await draw(path.join(root, 'bench/results/guess.svg'), 920, 300, {
    title: titleOf('Takeovers per attacked account and year (logarithmic)'),
    grid: { left: 230, right: 90, top: 50, bottom: 40 },
    xAxis: {
      type: 'log',
      min: 1e-7,
      // By default bars start at one, where the longest of them ends.
      startValue: 1e-7,
      max: 1,
      axisLabel: { color: TEXT, formatter: (value: number) => shareText(value) },
      splitLine: { lineStyle: { color: GRID_LINE } },
    },
    yAxis: { type: 'category', data: bars.map(({ name }) => name), axisLabel: { color: TEXT } },
    series: {
      type: 'bar',
      barWidth: 26,
      label: {
        show: true,
        position: 'right',
        color: TEXT,
        formatter: ({ value }) => shareText(Number(value)),
      },
      data: bars.map(({ name, takeoversPerAccountYear }) => ({
        value: takeoversPerAccountYear,
        itemStyle: { color: name === 'latchkey' ? GENUINE : ATTACK },
      })),
    },
  });
}

function shareText(value: number): string {
  return value >= 0.01
    ? `${Number((value * 100).toPrecision(3))} %`
    : value.toExponential(1).replace('.0', '');
}

async function draw(file: string, width: number, height: number, option: EChartsOption): Promise<void> {
  // Imported here because it takes half a second to load.
  const echarts = await installed(import('echarts'));
  if (!echarts) {
    process.stderr.write('latchkey: drew no chart, because echarts is not installed\n');
    return;
  }
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({ animation: false, backgroundColor: 'transparent', ...option });
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, chart.renderToSVGString());
  chart.dispose();
}
