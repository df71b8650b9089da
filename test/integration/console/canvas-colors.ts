/** Finds colors on a canvas of the page. */
import type { Locator } from 'playwright-core';

export type Rgb = [number, number, number];

export interface ColorRow {
  /** CSS pixels from the top of the canvas. */
  top: number;
  /** Pixels of the color in this row. */
  count: number;
}

/** For each color the rows that contain it, from the top. Similar colors count, because lines are anti-aliased. */
export function findColors(canvas: Locator, colors: Rgb[]): Promise<ColorRow[][]> {
  return canvas.evaluate((element, wanted) => {
    const { width, height } = element as HTMLCanvasElement;
    const context = (element as HTMLCanvasElement).getContext('2d')!;
    const { data } = context.getImageData(0, 0, width, height);
    const isNear = (at: number, color: Rgb): boolean =>
      data[at + 3]! > 200 && color.every((part, index) => Math.abs(data[at + index]! - part) < 24);
    return wanted.map((color) =>
      Array.from({ length: height }, (_, row) => {
        let count = 0;
        for (let at = row * width * 4; at < (row + 1) * width * 4; at += 4) {
          if (isNear(at, color)) count += 1;
        }
        return { top: row / devicePixelRatio, count };
      }).filter(({ count }) => count > 0),
    );
  }, colors);
}
