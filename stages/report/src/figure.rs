//! The figure: nominal against robust accuracy, one point a row of a table.

use std::fmt::Write;

use planish_contract::Failure;
use plotters::prelude::*;

use crate::csv::quote;
use crate::table::Table;

/// One point: accuracies in percent.
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) nominal: f64,
    pub(crate) robust: f64,
}

/// Colours that stay apart for colour-blind readers (Okabe and Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

/// The points of a table: its nominal column against its last (strongest) one. Rows that lack one
/// of the two have no point.
pub(crate) fn points(table: &Table) -> Vec<Point> {
    let nominal = table.columns.iter().position(|c| c.label == "nominal");
    let robust = table.columns.len().checked_sub(1);
    let (Some(nominal), Some(robust)) = (nominal, robust) else { return Vec::new() };
    let value = |row: &crate::table::Row, column: usize| row.cells.get(column).and_then(|cell| cell.ours);
    let point =
        |row: &crate::table::Row| Some(Point { name: row.name.clone(), nominal: value(row, nominal)?, robust: value(row, robust)? });
    table.rows.iter().filter_map(point).collect()
}

/// The data of the figure as CSV.
pub(crate) fn data(points: &[Point]) -> String {
    let mut text = "name,nominal,robust\n".to_owned();
    for point in points {
        let _ = writeln!(text, "{},{:.4},{:.4}", quote(&point.name), point.nominal, point.robust);
    }
    text
}

/// A file name for a table's figure: letters, digits and `-` only.
pub(crate) fn file_stem(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// The figure as SVG.
pub(crate) fn render(table: &Table, points: &[Point]) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (640, 420)).into_drawing_area();
        draw(&area, table, points).map_err(|e| Failure::internal(format!("the figure of table `{}`: {e}", table.name)))?;
    }
    Ok(svg)
}

type Drawing = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn draw(area: &DrawingArea<SVGBackend, plotters::coord::Shift>, table: &Table, points: &[Point]) -> Drawing {
    area.fill(&WHITE)?;
    let robust = table.columns.last().map_or("robust", |column| column.name.as_str());
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(60)
        .build_cartesian_2d(range(points.iter().map(|p| p.nominal)), range(points.iter().map(|p| p.robust)))?;
    chart
        .configure_mesh()
        .x_desc("nominal accuracy, %")
        .y_desc(format!("accuracy under attack ({robust}), %"))
        .axis_desc_style(("sans-serif", 15))
        .label_style(("sans-serif", 13))
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .max_light_lines(1)
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&|v| format!("{v:.0}"))
        .y_label_formatter(&|v| format!("{v:.0}"))
        .draw()?;
    for (point, colour) in points.iter().zip(COLOURS.iter().cycle()) {
        let marker = |at| Circle::new(at, 6, colour.filled());
        let dot = move |(x, y)| Circle::new((x + 8, y), 6, colour.filled());
        chart.draw_series([marker((point.nominal, point.robust))])?.label(point.name.as_str()).legend(dot);
    }
    // A legend, since points of methods that do equally well lie on each other. Robust models are high and to the left of
    // ordinary ones, so this corner is the emptiest.
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .margin(14)
        .legend_area_size(22)
        .label_font(("sans-serif", 15))
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    area.present()
}

/// The values with a margin, inside 0 to 100.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values.fold((100.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return 0.0..100.0;
    }
    // Wide enough that whole percents on the axis differ.
    let margin = ((high - low) * 0.15).max(5.0);
    (low - margin).max(0.0)..(high + margin).min(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_room_and_stay_in_percent() {
        assert_eq!(range([50.0, 99.5].into_iter()), 50.0 - 7.425..100.0);
        assert_eq!(range([60.0, 61.0].into_iter()), 55.0..66.0);
        assert_eq!(range(std::iter::empty()), 0.0..100.0);
        let one = range([40.0].into_iter());
        assert!(one.start < 40.0 && one.end > 40.0);
    }

    #[test]
    fn file_stems_are_tame() {
        assert_eq!(file_stem("../a b"), "---a-b");
    }
}
