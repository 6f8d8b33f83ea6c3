// Whiskers: lines from the lower to the upper end of an interval, with caps.

/** Half of the width of a normal distribution's interval of 90 %, in standard errors. */
export const NINETY = 1.6448536269514722;

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

/** Data are [x, low, high]. */
export function whiskers(
  data: [number, number, number][],
  colour: string,
  lineWidth = 1.2,
  options: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    type: 'custom',
    silent: true,
    data,
    encode: { x: 0, y: [1, 2] },
    tooltip: { show: false },
    z: 1,
    renderItem: (_: unknown, api: Api) => {
      const low = api.coord([api.value(0), api.value(1)]);
      const high = api.coord([api.value(0), api.value(2)]);
      const lines = [
        [low, high],
        [
          [low[0] - 3, low[1]],
          [low[0] + 3, low[1]],
        ],
        [
          [high[0] - 3, high[1]],
          [high[0] + 3, high[1]],
        ],
      ];
      return {
        type: 'group',
        children: lines.map((points) => ({
          type: 'polyline',
          shape: { points },
          style: { stroke: colour, lineWidth, fill: 'none' },
        })),
      };
    },
    ...options,
  };
}
