import { Script } from 'node:vm';
import { expect, test } from 'vitest';
import { reportSide } from '../../../src/main/cli/terminal/report-text.ts';
import { bundlePage } from '../../../src/main/page/page-bundle.ts';
import { type ReportData, reportPage } from '../../../src/main/page/report-page.ts';
import { makeReport } from '../report/make-report.ts';

test('the modules of the page stand together as one script, without imports and with each name once', async () => {
  const { scripts } = await bundlePage();
  const own = scripts[1] as string;
  expect(own).not.toMatch(/^(?:import|export)\b/m);
  expect(() => new Script(own)).not.toThrow();
  expect(() => new Script(`${own}\nconst PANELS = 1;`)).toThrow(SyntaxError);
  for (const script of scripts) expect(script.toLowerCase()).not.toContain('</script');
});

test('the data cannot end its script, and comes back as it was', async () => {
  const hostile = '</script><script>alert(1)</script><!-- & "quotes" \u2028';
  const side = { ...reportSide(makeReport()), title: hostile };
  const data: ReportData = { kind: 'session', side, plans: [] };
  const page = await reportPage(hostile, data);
  expect(page.match(/<script/g)).toHaveLength(3);
  expect(page).not.toContain('alert(1)</script>');
  const [, json = ''] = /id="data">([^<]*)<\/script>/.exec(page) ?? [];
  expect(json).not.toContain('<');
  expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(data)));
});

test('it names nothing that would be loaded', async () => {
  const page = await reportPage('x', { kind: 'session', side: reportSide(makeReport()), plans: [] });
  const [head] = page.split('<style>') as [string];
  expect(head).toContain("default-src 'none'");
  expect(page).not.toMatch(/<(?:link|img|iframe|script src)/);
});
