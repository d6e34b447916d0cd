//! Charts with two axes, drawn by plotters: lines, markers, bars, a legend beside them.

use std::ops::Range;

use planish_contract::Failure;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::colours;

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pub(super) title: String,
    pub(super) range: Range<f64>,
    /// Where it is labelled, and how.
    pub(super) ticks: Vec<(f64, String)>,
}

/// A point, with how far its interval reaches along both axes.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) x_interval: Option<(f64, f64)>,
    pub(super) y_interval: Option<(f64, f64)>,
    /// What is written beside it; nothing where it is empty.
    pub(super) label: String,
}

/// A method's points.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
    /// Whether they are joined by a line.
    pub(super) joined: bool,
    /// Whether they have markers.
    pub(super) marked: bool,
}

/// A chart of lines and markers.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) series: Vec<Series>,
}

type Drawing = Result<(), DrawingAreaErrorKind<std::io::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const INK: RGBColor = RGBColor(0, 0, 0);
const GRID: RGBColor = RGBColor(222, 222, 222);
const FRAME: RGBColor = RGBColor(140, 140, 140);
/// Width and height of a chart, and the width of the legend within it.
const SIZE: (u32, u32) = (760, 430);
const LEGEND: u32 = 170;

impl Scale {
    /// An axis with round ticks.
    pub(super) fn plain(title: &str, range: Range<f64>) -> Self {
        let ticks = round_ticks(&range);
        Scale { title: title.to_owned(), range, ticks }
    }

    /// An axis of named places 0, 1, 2, ….
    pub(super) fn named(title: &str, names: &[String]) -> Self {
        let ticks = names.iter().enumerate().map(|(place, name)| (place as f64, name.clone())).collect();
        Scale { title: title.to_owned(), range: -0.4..names.len() as f64 - 0.6, ticks }
    }

    /// An axis of decimal logarithms, labelled with the numbers themselves.
    pub(super) fn logarithmic(title: &str, range: Range<f64>) -> Self {
        let whole = (range.start.ceil() as i32)..=(range.end.floor() as i32);
        let label = |power: i32| if (-3..=3).contains(&power) { format!("{}", 10_f64.powi(power)) } else { format!("1e{power}") };
        Scale { title: title.to_owned(), range, ticks: whole.map(|power| (f64::from(power), label(power))).collect() }
    }
}

/// About six round numbers within `range`.
fn round_ticks(range: &Range<f64>) -> Vec<(f64, String)> {
    let rough = ((range.end - range.start) / 6.0).max(1e-12);
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (range.start / step - 1e-9).ceil() as i64;
    let last = (range.end / step + 1e-9).floor() as i64;
    (first..=last).map(|count| count as f64 * step).map(|value| (value, format!("{:.decimals$}", value + 0.0))).collect()
}

/// The chart as SVG.
pub(super) fn lines(chart: &Chart) -> Result<String, Failure> {
    render(|area| {
        let (plot, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        let mut plane = plane(&plot, &chart.x, &chart.y)?;
        for (index, series) in chart.series.iter().enumerate() {
            draw_series(area, &mut plane, series, index)?;
        }
        let entries: Vec<(String, bool)> = chart.series.iter().map(|series| (series.name.clone(), series.marked)).collect();
        entries.iter().enumerate().try_for_each(|(index, (name, marked))| {
            let (x, y) = (14, 34 + 26 * pixels(index));
            let colour = colour(index);
            legend.draw(&PathElement::new(vec![(x, y), (x + 26, y)], colour.stroke_width(2)))?;
            if *marked {
                mark(&legend, (x + 13, y), index)?;
            }
            legend.draw(&Text::new(shortened(name, 17), (x + 34, y), style(14, HPos::Left, VPos::Center)))
        })
    })
}

/// One bar of a chart: from the left, parts of the whole with their colours.
pub(super) struct Bar {
    pub(super) name: String,
    /// The length of each part, in the unit of the axis.
    pub(super) parts: Vec<f64>,
    /// What is written at its end.
    pub(super) label: String,
}

/// Bars that lie on each other, from the top, with a legend of their parts below when there are several.
pub(super) fn bars(x: &Scale, bars: &[Bar], parts: &[String]) -> Result<String, Failure> {
    // From the top.
    let names: Vec<String> = bars.iter().rev().map(|bar| shortened(&bar.name, 14)).collect();
    let y = Scale { range: -0.6..bars.len() as f64 - 0.4, ..Scale::named("", &names) };
    render(|area| {
        let (plot, legend) = area.split_vertically(if parts.len() > 1 { SIZE.1 - 44 } else { SIZE.1 });
        let mut plane = plane(&plot, x, &y)?;
        for (index, bar) in bars.iter().rev().enumerate() {
            let (low, high) = (index as f64 - 0.32, index as f64 + 0.32);
            let mut from = x.range.start.max(0.0);
            for (part, length) in bar.parts.iter().enumerate() {
                let shape = Rectangle::new([(from, low), (from + length, high)], colour(part).filled());
                plane.draw_series(std::iter::once(shape))?;
                from += length;
            }
            let (px, py) = plane.backend_coord(&(from, index as f64));
            area.draw(&Text::new(bar.label.clone(), (px + 6, py), style(13, HPos::Left, VPos::Center)))?;
        }
        let width = (SIZE.0.cast_signed() - 90) / pixels(parts.len().max(1));
        parts.iter().enumerate().filter(|_| parts.len() > 1).try_for_each(|(index, name)| {
            let x = 84 + width * pixels(index);
            legend.draw(&Rectangle::new([(x, 8), (x + 16, 24)], colour(index).filled()))?;
            legend.draw(&Text::new(name.clone(), (x + 22, 16), style(13, HPos::Left, VPos::Center)))
        })
    })
}

fn render(draw: impl FnOnce(&Area<'_>) -> Drawing) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let drawn = area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present());
        drawn.map_err(|e| Failure::internal(format!("a figure: {e}")))?;
    }
    Ok(svg)
}

/// Both axes with their grid, titles and labels.
fn plane<'a, 'b>(area: &'a Area<'b>, x: &Scale, y: &Scale) -> Result<Plane<'a, 'b>, DrawingAreaErrorKind<std::io::Error>> {
    let mut builder = ChartBuilder::on(area);
    let left = if y.title.is_empty() { 118 } else { 70 };
    builder.margin(16).x_label_area_size(52).y_label_area_size(left);
    let plane = builder.build_cartesian_2d(x.range.clone(), y.range.clone())?;
    let ((left, bottom), (right, top)) =
        (plane.backend_coord(&(x.range.start, y.range.start)), plane.backend_coord(&(x.range.end, y.range.end)));
    // On the area that was given: its own corner is where coordinates of the backend begin.
    let (dx, dy) = area.get_pixel_range();
    let at = |(px, py): (i32, i32)| (px - dx.start, py - dy.start);
    let line = |from, to, colour: RGBColor| PathElement::new(vec![at(from), at(to)], colour.stroke_width(1));
    for (value, label) in x.ticks.iter().filter(|(value, _)| (x.range.start..=x.range.end).contains(value)) {
        let (px, _) = plane.backend_coord(&(*value, y.range.start));
        area.draw(&line((px, top), (px, bottom), GRID))?;
        area.draw(&Text::new(label.clone(), at((px, bottom + 8)), style(13, HPos::Center, VPos::Top)))?;
    }
    for (value, label) in y.ticks.iter().filter(|(value, _)| (y.range.start..=y.range.end).contains(value)) {
        let (_, py) = plane.backend_coord(&(x.range.start, *value));
        if !y.title.is_empty() {
            area.draw(&line((left, py), (right, py), GRID))?;
        }
        area.draw(&Text::new(label.clone(), at((left - 8, py)), style(13, HPos::Right, VPos::Center)))?;
    }
    area.draw(&line((left, bottom), (right, bottom), FRAME))?;
    area.draw(&line((left, bottom), (left, top), FRAME))?;
    let middle = (i32::midpoint(left, right), bottom + 34);
    area.draw(&Text::new(x.title.clone(), at(middle), style(14, HPos::Center, VPos::Top)))?;
    let turned = ("sans-serif", 14).into_font().transform(FontTransform::Rotate270);
    let turned = TextStyle::from(turned).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(y.title.clone(), at((left - 62, i32::midpoint(top, bottom))), turned))?;
    Ok(plane)
}

fn draw_series(area: &Area<'_>, plane: &mut Plane<'_, '_>, series: &Series, index: usize) -> Drawing {
    let colour = colour(index);
    let thin = colour.mix(0.55).stroke_width(1);
    for point in &series.points {
        let along_x = point.x_interval.map(|(low, high)| vec![(low, point.y), (high, point.y)]);
        let along_y = point.y_interval.map(|(low, high)| vec![(point.x, low), (point.x, high)]);
        plane.draw_series(along_x.into_iter().chain(along_y).map(|line| PathElement::new(line, thin)))?;
    }
    let places: Vec<(f64, f64)> = series.points.iter().map(|point| (point.x, point.y)).collect();
    if series.joined {
        plane.draw_series(LineSeries::new(places.iter().copied(), colour.stroke_width(2)))?;
    }
    for point in series.points.iter().filter(|point| !point.label.is_empty()) {
        let (x, y) = plane.backend_coord(&(point.x, point.y));
        let style = style(13, HPos::Left, VPos::Bottom).color(&colour);
        area.draw(&Text::new(shortened(&point.label, 14), (x + 7, y - 5), style))?;
    }
    if series.marked {
        places.iter().try_for_each(|place| mark(area, plane.backend_coord(place), index))?;
    }
    Ok(())
}

/// A marker of method number `index`: the shape tells methods apart where colours can't.
fn mark(area: &Area<'_>, (x, y): (i32, i32), index: usize) -> Drawing {
    let fill = colour(index).filled();
    match index % 4 {
        0 => area.draw(&Circle::new((x, y), 5, fill)),
        1 => area.draw(&Rectangle::new([(x - 5, y - 5), (x + 5, y + 5)], fill)),
        2 => area.draw(&Polygon::new(vec![(x, y - 6), (x + 6, y + 5), (x - 6, y + 5)], fill)),
        _ => area.draw(&Polygon::new(vec![(x, y - 7), (x + 7, y), (x, y + 7), (x - 7, y)], fill)),
    }
}

/// A small number as a length.
fn pixels(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / 1_000)
}

fn colour(index: usize) -> RGBColor {
    let [red, green, blue] = colours::method(index);
    RGBColor(red, green, blue)
}

fn style(size: u32, h: HPos, v: VPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size).into_font()).color(&INK).pos(Pos::new(h, v))
}

/// A name that fits beside a chart.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most { name.to_owned() } else { name.chars().take(most - 1).chain(std::iter::once('…')).collect() }
}

/// The values with a margin, inside 0 to 100.
pub(super) fn percents(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((100.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return 0.0..100.0;
    }
    // Wide enough that whole percents on the axis differ.
    let margin = ((high - low) * 0.08).max(3.0);
    (low - margin).max(0.0)..(high + margin).min(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_room_and_stay_in_percent() {
        assert_eq!(percents([50.0, 99.5].into_iter()), 50.0 - 3.96..100.0);
        assert_eq!(percents([60.0, 61.0].into_iter()), 57.0..64.0);
        assert_eq!(percents(std::iter::empty()), 0.0..100.0);
    }

    #[test]
    fn ticks_are_round() {
        let labels = |range| round_ticks(&range).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(0.0..100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(0.0..0.2), ["0.00", "0.05", "0.10", "0.15", "0.20"]);
        assert_eq!(labels(-0.1..0.1), ["-0.10", "-0.05", "0.00", "0.05", "0.10"]);
    }

    #[test]
    fn long_names_are_shortened() {
        assert_eq!((shortened("short", 5), shortened("longer", 5)), ("short".to_owned(), "long…".to_owned()));
    }
}
