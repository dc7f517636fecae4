// ECharts, in the parts that are used and only once they are: drawn on a canvas, without its HTML tooltip.

import { BarChart, LineChart, MapChart } from "echarts/charts";
import { GeoComponent, GridComponent, LegendComponent } from "echarts/components";
import { init, registerMap, use, type ECharts, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, MapChart, GeoComponent, GridComponent, LegendComponent, CanvasRenderer]);

export type Option = EChartsCoreOption;
export { registerMap };

/** A colour of the style sheet by its name, as the look of the moment has it. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A chart in `place` that follows its size; returns what ends it. */
export function chart(place: HTMLElement): { chart: ECharts; end: () => void } {
  const made = init(place, null, { renderer: "canvas" });
  const observer = new ResizeObserver(() => made.resize());
  observer.observe(place);
  return {
    chart: made,
    end: () => {
      observer.disconnect();
      made.dispose();
    },
  };
}
