import { readFile } from 'node:fs/promises';
import { chartLibrary, pageFile } from './page-assets.ts';

/** The modules of a report, each after those that it imports. */
const REPORT_MODULES = [
  'dom.js',
  'format.js',
  'chart-panels.js',
  'charts.js',
  'timeline.js',
  'plan-list.js',
  'report.js',
] as const;

/** What a page of one file needs of the live page: two scripts, in this order, and their style. */
export interface PageBundle {
  readonly scripts: readonly string[];
  readonly style: string;
}

/**
 * The page's own modules as one script. A page that is opened from a file may not load others, so they are put one behind
 * the other, without their imports: every name at their top level is another one, as a test shows.
 */
export async function bundlePage(): Promise<PageBundle> {
  const { script, style } = chartLibrary();
  const [library, libraryStyle, pageStyle, ...modules] = await Promise.all(
    [script, style, pageFile('page.css'), ...REPORT_MODULES.map(pageFile)].map((file) => readFile(file, 'utf8')),
  );
  return {
    scripts: [library as string, modules.map(withoutModuleSyntax).join('\n')],
    style: `${libraryStyle}\n${pageStyle}`,
  };
}

function withoutModuleSyntax(code: string): string {
  return code.replace(/^import [^;]+ from '\.\/[^']+';\n/gm, '').replace(/^export (?=(?:const|function|class) )/gm, '');
}
