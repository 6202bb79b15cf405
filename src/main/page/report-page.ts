import { createHash } from 'node:crypto';
import type { ShownPlan } from '../monitor/latest-plans.ts';
import type { Series } from '../monitor/series.ts';
import { bundlePage } from './page-bundle.ts';

/** A table of texts; without a head, each row is a name and what is so. */
export interface ReportTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns from here on are numbers. */
  readonly alignRightFrom?: number;
}

/** One session, as its page shows it. */
export interface ReportSide {
  readonly title: string;
  /** What ran and where. */
  readonly lines: readonly string[];
  readonly tables: readonly ReportTable[];
  /** Null where the report has none: it is of an earlier version. */
  readonly series: Series | null;
}

/** Which of two reports is better in one thing; `same` where the difference says little, null where no way is better. */
export type Better = 'a' | 'b' | 'same' | null;

/** One figure of two sessions, side by side. */
export interface ComparedRow {
  readonly key: string;
  readonly name: string;
  readonly unit: 'count' | 'share' | 'ms' | 'rate';
  /** Null where a report has nothing to say of it. */
  readonly a: number | null;
  readonly b: number | null;
  readonly better: Better;
}

export type ReportData =
  | { readonly kind: 'session'; readonly side: ReportSide; readonly plans: readonly ShownPlan[] }
  | {
      readonly kind: 'comparison';
      readonly sides: readonly [ReportSide, ReportSide];
      readonly rows: readonly (ComparedRow & { readonly texts: readonly [string, string, string] })[];
      readonly warnings: readonly string[];
    };

/**
 * One page that needs nothing else: style, scripts and data are in it, and it may be opened from a file or sent on. It loads
 * nothing, by its own policy, and runs only what is written into it here.
 */
export async function reportPage(title: string, data: ReportData): Promise<string> {
  const { scripts, style } = await bundlePage();
  const inline = [...scripts, style].map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`);
  const policy = `default-src 'none'; script-src ${inline.slice(0, -1).join(' ')}; style-src ${inline.at(-1)}; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<header class="bar"><h1>${escaped(title)}</h1></header>
<main id="main"></main>
<noscript><p class="banner">This report needs JavaScript; its figures are in the JSON below.</p></noscript>
<script type="application/json" id="data">${jsonInMarkup(data)}</script>
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
}

/** No `<` at all: neither the end of the script nor the beginning of a comment. */
function jsonInMarkup(data: ReportData): string {
  return JSON.stringify(data).replaceAll('<', '\\u003c');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
