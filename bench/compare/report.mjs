// Writes a result as JSON, as Markdown and as charts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { drawRates } from './chart.mjs';

const RESULTS = path.join(import.meta.dirname, '../results');

/** The page that quotes the results, between two comments. */
const PAGE = path.join(import.meta.dirname, '../../docs/benchmarks.md');
const QUOTED = /(?<=<!-- results -->\n)[^]*(?=<!-- end of results -->)/;

/** One chart per workload; `deliver` is our own only. */
const CHARTED = ['ask', 'check', 'bearer', 'refuse'];

const WORKLOADS = {
  ask: 'ask for a code',
  check: 'check a code',
  bearer: 'request with a token',
  refuse: 'refuse (429)',
  deliver: 'messages that one process sends',
};

export function writeReport(result) {
  writeJson('compare.json', result);
  const markdown = markdownOf(result);
  writeFileSync(path.join(RESULTS, 'compare.md'), markdown);
  for (const workload of CHARTED) {
    const rates = ratesOf(result, workload);
    if (rates.length > 0) drawRates(path.join(RESULTS, `${workload}.svg`), `${WORKLOADS[workload]}, requests/s`, rates);
  }
  if (!result.noise) quote(markdown);
  return markdown;
}

/** Replaces the results in the documentation. Numbers from a busy machine are not quoted. */
function quote(markdown) {
  const charts = CHARTED.map((workload) => `![${capital(WORKLOADS[workload])}](../bench/results/${workload}.svg)`);
  const text = `\n${charts.join('\n')}\n\n${markdown}\n`;
  writeFileSync(PAGE, readFileSync(PAGE, 'utf8').replace(QUOTED, () => text));
}

export function writeJson(name, result) {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(path.join(RESULTS, name), `${JSON.stringify(result, null, 2)}\n`);
}

function describeMachine({ date, machine, busy }) {
  return `${date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}. ${Math.round(busy * 100)} % busy before the run.`;
}

function ratesOf({ results }, workload) {
  const rows = Object.entries(results).map(([name, { workloads }]) => [name, workloads[workload]?.perSecond]);
  return rows.filter(([, perSecond]) => perSecond !== undefined);
}

function markdownOf(result) {
  const { versions, seconds, rounds, noise } = result;
  const measured = `Median of ${rounds} interleaved rounds of ${seconds} s, 64 connections, server on one core.`;
  const stores = `Postgres ${versions.postgres}, Redis ${versions.redis}, better-auth ${versions.betterAuth}.`;
  return [
    `${describeMachine(result)}\n${measured} ${stores}`,
    ...(noise ? [`**${noise}**`] : []),
    ...Object.keys(WORKLOADS).map((workload) => `### ${capital(WORKLOADS[workload])}\n\n${tableOf(result, workload)}`),
    `### Memory and start\n\n${stateTable(result)}`,
    `### Targets\n\n${targetTable(result)}`,
  ].join('\n\n').concat('\n');
}

function tableOf({ results }, workload) {
  const rows = Object.entries(results).flatMap(([name, { workloads }]) => {
    const measured = workloads[workload];
    if (!measured) return [];
    const cpu = Object.entries(measured.cpuMs).map(([process, ms]) => `${process} ${ms.toFixed(2)}`).join(', ');
    const times = [measured.p50Ms ?? '–', measured.p99Ms ?? '–'];
    return [[name, Math.round(measured.perSecond), ...times, cpu, measured.unexpected]];
  });
  return table(['', 'per second', 'p50 ms', 'p99 ms', 'CPU ms per request', 'unexpected answers'], rows);
}

function stateTable({ results }) {
  const rows = Object.entries(results).map(([name, state]) => {
    return [name, Math.round(state.startMs), Math.round(state.idleMb), Math.round(state.loadedMb)];
  });
  return table(['', 'ready after ms', 'MB idle', 'MB after the load'], rows);
}

function targetTable({ targets }) {
  const rows = targets.map(({ workload, ours, other, least, ratio, isMet }) => {
    return [workload, ours, other, ratio.toFixed(2), `≥ ${Number(least.toFixed(2))}`, isMet ? 'met' : '**missed**'];
  });
  return table(['workload', 'server', 'against', 'ratio', 'target', ''], rows);
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
