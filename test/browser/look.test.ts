import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { allFeatures } from '../../src/main/options/features.ts';
import { request } from '../support/make-planner.ts';
import { eventually } from '../support/raw-client.ts';
import { openPage, redrawn } from './support/browser.ts';
import { openService, type Service, states } from './support/service.ts';

const SCHEMES = ['light', 'dark'] as const;
const WIDTHS = [360, 768, 1_280];
const LOOKS = SCHEMES.flatMap((colorScheme) => WIDTHS.map((width) => [colorScheme, width] as const));

function open(): Promise<Service> {
  return openService(
    ({ role, nth }) =>
      role === 'one' && nth % 2 === 1
        ? { kind: 'errors', code: 'ERR_MODEL_STATUS', afterMs: 4 }
        : { kind: 'answers', action: 'block', afterMs: 10 },
    { features: { ...allFeatures(false), foresight: true } },
  );
}

/** Texts whose contrast against their ground is below that of WCAG AA. */
function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    const pen = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
    const rgba = (color: string): number[] => {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const ground = (element: Element | null): number[] => {
      for (let at = element; at !== null; at = at.parentElement) {
        const color = rgba(getComputedStyle(at).backgroundColor);
        if (color[3] === 255) return color;
      }
      return [255, 255, 255];
    };
    const luminance = ([r = 0, g = 0, b = 0]: number[]): number => {
      const linear = [r, g, b].map((each) => {
        const value = each / 255;
        return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
    };
    const faint: string[] = [];
    for (const element of document.querySelectorAll('body *')) {
      const hasText = [...element.childNodes].some(
        ({ nodeType, textContent }) => nodeType === 3 && textContent?.trim(),
      );
      if (!hasText || !(element as HTMLElement).checkVisibility()) continue;
      const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5)
        faint.push(`${element.tagName} "${element.textContent?.slice(0, 30)}": ${contrast.toFixed(2)}`);
    }
    return faint;
  });
}

test.each(LOOKS)('%s and %i px wide: no scrolling sideways, and every text stands out', async (colorScheme, width) => {
  await using service = await open();
  const long = 'a-name-without-any-place-to-break-that-is-longer-than-a-phone-is-wide';
  await service.plan(...states(6, { agent: long, actions: [long, 'block'] }));
  const foreseen = { observation: { place: long, health: 1 } };
  service.planner.expect([request(foreseen)]);
  await eventually(() => service.planner.stats().foresight.asked === 1, 'it is asked about');
  await service.plan(foreseen);
  await using watched = await openPage({ colorScheme, viewport: { width, height: 800 } });
  const { page } = watched;
  await page.goto(service.address);
  await page.click('.plans li');
  const overflow = async (): Promise<number> => {
    await redrawn(page);
    return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  };
  expect(await overflow()).toBe(0);
  expect(await faintTexts(page)).toEqual([]);
  // The page's ground is that of the scheme.
  const ground = await page.$eval('body', (body) => getComputedStyle(body).backgroundColor);
  expect(ground).toBe(colorScheme === 'dark' ? 'rgb(16, 19, 23)' : 'rgb(244, 245, 247)');
  await page.click('[data-chart="sources"] summary');
  expect(await overflow()).toBe(0);
  await service.goDown();
  await page.waitForSelector('#banner:not([hidden])');
  expect(await overflow()).toBe(0);
  expect(await faintTexts(page)).toEqual([]);
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/${colorScheme}-${width}.png`, fullPage: true });
  }
});

test('how an attempt ended and what it did is not told by colour alone', async () => {
  await using service = await open();
  await service.plan(...states(2));
  await using watched = await openPage();
  const { page } = watched;
  await page.goto(service.address);
  await page.click('.plans li:first-child');
  expect(await page.locator('#detail .attempt.failed .sign').allTextContents()).toEqual(['!']);
  expect(await page.locator('#detail .attempt.ok .sign').count()).toBe(0);
  const patterns = await page.$$eval('.phases .phase', (swatches) =>
    swatches.map((swatch) => getComputedStyle(swatch).background),
  );
  expect(new Set(patterns).size).toBe(4);
});

test('every control has a name, and only the state of the connection is announced', async () => {
  await using service = await open();
  await service.plan(...states(2));
  await using watched = await openPage();
  const { page } = watched;
  await page.goto(service.address);
  await page.waitForSelector('.plans li');
  const nameless = await page.$$eval('button, input, [role="listbox"], [role="region"], figure', (controls) =>
    controls.flatMap((control) => {
      const label = control.getAttribute('aria-label') ?? control.getAttribute('aria-labelledby');
      return label || control.textContent?.trim() || control.closest('label') ? [] : [control.outerHTML];
    }),
  );
  expect(nameless).toEqual([]);
  const announced = await page.$$eval('[aria-live], [role="status"], [role="alert"]', (all) => all.map(({ id }) => id));
  expect(announced).toEqual(['connection']);
  expect(await page.getAttribute('html', 'lang')).toBe('en');
});
