import { createHash } from 'node:crypto';
import type { ShownPlan } from '../monitor/latest-plans.ts';
import type { Series } from '../monitor/series.ts';
import type { GuessCounts } from '../plans/expectations/foresight-counts.ts';
import { bundlePage } from './page-bundle.ts';

/** A table of texts; without a head, each row is a name and its value. */
export interface ReportTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Index of the first column of numbers. */
  readonly alignRightFrom?: number;
}

/** One session, as its page shows it. */
export interface ReportSide {
  readonly title: string;
  /** Facts about the run: what ran and where. */
  readonly lines: readonly string[];
  readonly tables: readonly ReportTable[];
  /** What became of expected states. Null in reports of earlier versions. */
  readonly foresight: GuessCounts | null;
  /** Null if the report has none, because an earlier version wrote it. */
  readonly series: Series | null;
}

/** Which of two reports is better in one figure; `same` if the difference is not meaningful, null if neither direction is better. */
export type Better = 'a' | 'b' | 'same' | null;

/** One figure of two sessions, side by side. */
export interface ComparedRow {
  readonly key: string;
  readonly name: string;
  readonly unit: 'count' | 'share' | 'ms' | 'rate';
  /** Null if a report does not have the figure. */
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
 * One page that needs no other file: it contains style, scripts and data, and may be opened from a file or sent on. Its policy lets it load nothing,
 * and run only the scripts written into it here.
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

/** JSON without any `<`, so that it can neither end the script nor start a comment. */
function jsonInMarkup(data: ReportData): string {
  return JSON.stringify(data).replaceAll('<', '\\u003c');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
