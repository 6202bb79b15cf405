import { readFile } from 'node:fs/promises';
import { COMMON_MODULES, chartLibrary, pageFile } from './page-assets.ts';
import { FIGURES_MODULE } from './page-figures.ts';

/** The parts of the live page for a page in one file: two scripts, in this order, and their style. */
interface PageBundle {
  readonly scripts: readonly string[];
  readonly style: string;
}

/**
 * The page's own modules as one script. A page opened from a file may not load others, so they are concatenated without their imports: a test checks
 * that all of their top-level names differ.
 */
export async function bundlePage(): Promise<PageBundle> {
  const { script, style } = chartLibrary();
  const [library, libraryStyle, pageStyle, ...modules] = await Promise.all(
    [script, style, pageFile('page.css'), ...[...COMMON_MODULES, 'report.js'].map(pageFile)].map((file) =>
      readFile(file, 'utf8'),
    ),
  );
  return {
    scripts: [library as string, [FIGURES_MODULE, ...modules].map(withoutModuleSyntax).join('\n')],
    style: `${libraryStyle}\n${pageStyle}`,
  };
}

function withoutModuleSyntax(code: string): string {
  return code.replace(/^import [^;]+ from '\.\/[^']+';\n/gm, '').replace(/^export (?=(?:const|function|class) )/gm, '');
}
