import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { figuresPage } from '../../scripts/figures-page.ts';
import { FIGURES } from '../../src/main/chat/chat-figures.ts';
import { REPORT_FIGURES } from '../../src/main/session/report-figures.ts';

test('docs/figures.md is what scripts/figures-page.ts writes', () => {
  expect(readFileSync(new URL('../../docs/figures.md', import.meta.url), 'utf8')).toBe(figuresPage());
});

test('no two figures share a path, nor a metric with the same labels, and each is defined in a sentence', () => {
  for (const figures of [FIGURES, REPORT_FIGURES]) {
    const paths = figures.map(({ path }) => path);
    expect(paths).toEqual([...new Set(paths)]);
  }
  const metrics = FIGURES.flatMap(({ metric }) => metric ?? []);
  expect(metrics).toEqual([...new Set(metrics)]);
  for (const { path, name, help } of FIGURES) {
    expect([path, name]).toEqual([path, expect.stringMatching(/^\S.*[^.]$/)]);
    expect([path, help]).toEqual([path, expect.stringMatching(/^[A-Z].*\.$/)]);
  }
});
