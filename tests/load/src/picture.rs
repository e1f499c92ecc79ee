//! Figures as a picture: a drawing of bars for each, in SVG without scripts, which is as readable on
//! a dark page as on a light one.

use std::fmt::Write;

/// One drawing: a bar for each point.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    /// What stands below a bar, and how high the bar is.
    pub(crate) points: Vec<(u32, f64)>,
}

/// Drawings in a row.
const COLUMNS: u32 = 3;
/// Of a drawing, with what is around it, in pixels.
const WIDTH: u32 = 250;
const HEIGHT: u32 = 190;
/// Of the highest bar, and where bars stand.
const HIGHEST: f64 = 90.0;
const GROUND: u32 = 160;
const BAR: u32 = 36;
const LEFT: u32 = 18;

const STYLE: &str = "\
    svg { font-family: system-ui, sans-serif; font-size: 12px }\n\
    .page { fill: #ffffff; stroke: #d0d7de } text { fill: #57606a }\n\
    .title, .value { fill: #1f2328 } .title { font-weight: 600 } .bar { fill: #2f7d5b }\n\
    .ground { stroke: #d0d7de }\n\
    @media (prefers-color-scheme: dark) {\n\
    .page { fill: #0d1117; stroke: #30363d } text { fill: #9198a1 }\n\
    .title, .value { fill: #f0f6fc } .bar { fill: #4fb286 } .ground { stroke: #30363d }\n\
    }";

/// Draws all of them. `below` says what the numbers below the bars are.
pub(crate) fn draw(below: &str, panels: &[Panel]) -> String {
    let rows = u32::try_from(panels.len()).unwrap_or_default().div_ceil(COLUMNS);
    let (width, height) = (COLUMNS * WIDTH + 10, rows * HEIGHT + 10);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">\n<style>\n{STYLE}\n</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        width - 1,
        height - 1,
    );
    for (n, panel) in (0..).zip(panels) {
        let (x, y) = (n % COLUMNS * WIDTH + 5, n / COLUMNS * HEIGHT);
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        panel.draw(below, &mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

impl Panel {
    /// Writing to a text does not fail.
    fn draw(&self, below: &str, svg: &mut String) {
        let Self { title, unit, points } = self;
        let _ = writeln!(
            svg,
            "<text class=\"title\" x=\"{LEFT}\" y=\"30\">{title}</text>\n\
             <text x=\"{LEFT}\" y=\"46\">{unit}</text>\n\
             <path class=\"ground\" d=\"M{LEFT} {GROUND}.5H{}\"/>",
            WIDTH - LEFT,
        );
        let most = points.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (n, (label, value)) in (0..).zip(points) {
            let (x, height) = (LEFT + 10 + n * (BAR + 14), value / most * HIGHEST);
            let (top, middle) = (f64::from(GROUND) - height, x + BAR / 2);
            let digits = usize::from(*value < 10.0);
            let _ = writeln!(
                svg,
                "<rect class=\"bar\" x=\"{x}\" y=\"{top:.1}\" width=\"{BAR}\" height=\"{height:.1}\"/>\n\
                 <text class=\"value\" x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{value:.digits$}</text>\n\
                 <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                top - 5.0,
                GROUND + 15,
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{below}</text>",
            WIDTH - 4,
            GROUND + 15
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_is_as_high_as_bars_get_and_the_others_are_in_proportion() {
        let points = vec![(1, 10.0), (2, 40.0)];
        let svg = draw("nodes", &[Panel { title: "messages", unit: "a second", points }]);
        assert!(svg.contains("height=\"90.0\"") && svg.contains("height=\"22.5\""), "{svg}");
        assert!(svg.ends_with("</g>\n</svg>\n"), "{svg}");
    }
}
