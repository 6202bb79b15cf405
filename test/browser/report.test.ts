import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { reportSide } from '../../src/main/cli/terminal/report-text.ts';
import { type ReportData, reportPage } from '../../src/main/page/report-page.ts';
import { compareReports } from '../../src/main/report/comparison.ts';
import { makeReport, makeSeries } from '../main/report/make-report.ts';
import { openPage, redrawn } from './support/browser.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-report-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const HOSTILE = '</script><img src="x" onerror="window.hit=1">';
const CHARTS = ['throughput', 'sources', 'planning', 'cache', 'trouble'];

async function show(page: Page, data: ReportData): Promise<void> {
  const file = join(folder, 'report.html');
  writeFileSync(file, await reportPage('Report', data));
  await page.goto(pathToFileURL(file).href);
}

test('a report opens from its file alone, with the table, the charts and the plans of the session', async () => {
  const report = makeReport({ trace: { file: 'x', name: HOSTILE } });
  await using watched = await openPage();
  const { page } = watched;
  const attempt = { step: 'expert', role: HOSTILE, model: 'e', endpoint: 'fake', code: 'OK' } as const;
  const told = { id: 7, agent: HOSTILE, action: HOSTILE, source: 'quorum', reason: '', coalesced: false } as const;
  const attempts = [{ ...attempt, startMs: 0, waitMs: 1, latencyMs: 9 }];
  const plan = { ...told, latencyMs: 9, latenessMs: 0, atMs: 0, attempts, attemptCount: 1 };
  await show(page, { kind: 'session', side: reportSide(report), plans: [plan] });
  for (const id of CHARTS) expect(await page.locator(`[data-chart="${id}"] canvas`).count()).toBe(1);
  expect(await page.locator('th:has-text("On time") + td').textContent()).toBe('1,000 of 1,000 (100 %)');
  await page.click('#plan-7');
  expect(await page.textContent('#detail h3')).toBe(`Plan 7: ${HOSTILE}`);
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.evaluate(() => Reflect.get(window, 'hit'))).toBeUndefined();
  expect(watched.complaints).toEqual([]);
});

test('a report draws what was foreseen, where any state was expected', async () => {
  const counts = { told: 12, asked: 9, known: 0, used: 5, tooLate: 2, joined: 1, withheld: 0, wrong: 2, dropped: 3 };
  const experience = { off: null, passed: 0, heldBack: { time: 0, worth: 0, share: 0 }, skipped: 0 };
  const foresight = { ...counts, waiting: 0, running: 0, off: null, domain: false, bySource: [], experience } as const;
  await using watched = await openPage();
  const { page } = watched;
  await show(page, { kind: 'session', side: reportSide(makeReport({ foresight })), plans: [] });
  expect(await page.textContent('section:has(.foresight-bar) h2')).toBe('What was foreseen');
  expect(await page.locator('.foresight-bar .foreseen').count()).toBe(3);
  expect(await page.locator('.foresight li b').allTextContents()).toEqual(['5', '0', '2', '2']);
  await show(page, { kind: 'session', side: reportSide(makeReport()), plans: [] });
  expect(await page.locator('.foresight-bar').count()).toBe(0);
  expect(watched.complaints).toEqual([]);
});

test('two reports stand side by side, on equal scales, with what is better marked', async () => {
  const [a, b] = [makeReport(), makeReport({ onTime: 900, series: { ...makeSeries(9), plans: Array(9).fill(50) } })];
  const { rows, warnings } = compareReports(a, b);
  await using watched = await openPage();
  const { page } = watched;
  const texts = ['1', '2', '3'] as const;
  await show(page, {
    kind: 'comparison',
    sides: [reportSide(a), reportSide(b)],
    rows: rows.map((row) => ({ ...row, texts })),
    warnings: [...warnings, HOSTILE],
  });
  for (const id of CHARTS) expect(await page.locator(`.sides [data-chart="${id}"] canvas`).count()).toBe(2);
  expect(await page.locator('tr:has(.better) th').allTextContents()).toEqual(['On time']);
  expect(await page.textContent('.warnings')).toContain(HOSTILE);
  const tops = await page.$$eval('.sides [data-chart="throughput"]', (charts) =>
    charts.map((chart) => (chart as HTMLElement).offsetTop),
  );
  expect(tops[0]).toBe(tops[1]);
  await page.setViewportSize({ width: 360, height: 740 });
  await redrawn(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  expect(watched.complaints).toEqual([]);
});

test('a report without samples says so', async () => {
  const { series, ...older } = makeReport();
  await using watched = await openPage();
  await show(watched.page, { kind: 'session', side: reportSide(older), plans: [] });
  expect(await watched.page.textContent('.charts')).toContain('no samples');
  expect(watched.complaints).toEqual([]);
});
