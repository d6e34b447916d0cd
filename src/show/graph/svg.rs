//! The graph as a picture. The layout is layout-rs's; the drawing is ours, for its own writer makes wide boxes and much empty room.

use std::fmt::Write;

use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::format::{ClipHandle, RenderBackend};
use layout::core::geometry::Point;
use layout::core::style::StyleAttr;
use layout::std_shapes::render::get_shape_size;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;

use super::{Node, colour};

/// The size that the layout is told; it takes every character to be that wide and high.
const UNIT: usize = 8;
/// The size that is drawn: characters of a sans-serif are a little more than half as wide.
const FONT: usize = 13;
const LINE_HEIGHT: f64 = 17.0;
const MARGIN: f64 = 12.0;
const INK: &str = "#444444";

/// Boxes and arrows from left to right.
pub(super) fn draw(nodes: &[Node], edges: &[(usize, usize)]) -> String {
    let mut graph = VisualGraph::new(Orientation::LeftToRight);
    let handles: Vec<_> = nodes
        .iter()
        .map(|node| {
            let lines = node.lines();
            // Empty lines make room: one of ours is as high as two of the layout's.
            let shape = ShapeKind::new_box(&format!("{}{}", lines.join("\n"), "\n ".repeat(lines.len())));
            let size = get_shape_size(Orientation::LeftToRight, &shape, UNIT, false);
            graph.add_node(Element::create(shape, style(colour(node.standing)), Orientation::LeftToRight, size))
        })
        .collect();
    for (from, to) in edges {
        if let (Some(from), Some(to)) = (handles.get(*from), handles.get(*to)) {
            graph.add_edge(Arrow { look: style("#ffffff"), ..Arrow::simple("") }, *from, *to);
        }
    }
    let mut picture = Picture::default();
    if !nodes.is_empty() {
        graph.do_it(false, false, false, &mut picture);
    }
    picture.finish()
}

fn style(fill: &str) -> StyleAttr {
    StyleAttr::new(Color::fast(INK), 1, Some(Color::fast(fill)), 4, UNIT)
}

/// What was drawn, and how far it reaches.
#[derive(Default)]
struct Picture {
    boxes: String,
    arrows: String,
    width: f64,
    height: f64,
}

impl Picture {
    fn reach(&mut self, point: Point) {
        self.width = self.width.max(point.x);
        self.height = self.height.max(point.y);
    }

    fn finish(self) -> String {
        let (width, height) = (self.width + MARGIN, self.height + MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"sans-serif\" font-size=\"{FONT}\">\n\
             <defs><marker id=\"head\" markerWidth=\"8\" markerHeight=\"6\" refX=\"8\" refY=\"3\" orient=\"auto\">\
             <path d=\"M0 0L8 3L0 6z\" fill=\"{INK}\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}{}</svg>\n",
            self.arrows, self.boxes
        )
    }
}

impl RenderBackend for Picture {
    fn draw_rect(&mut self, xy: Point, size: Point, look: &StyleAttr, _: Option<String>, _: Option<ClipHandle>) {
        self.reach(xy.add(size));
        let fill = look.fill_color.map_or_else(|| "none".to_owned(), |colour| colour.to_web_color());
        let _ = writeln!(
            self.boxes,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" fill=\"{fill}\" stroke=\"{INK}\"/>",
            xy.x, xy.y, size.x, size.y
        );
    }

    fn draw_line(&mut self, start: Point, stop: Point, _: &StyleAttr, _: Option<String>) {
        let _ = writeln!(
            self.arrows,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{INK}\"/>",
            start.x, start.y, stop.x, stop.y
        );
    }

    fn draw_circle(&mut self, xy: Point, size: Point, _: &StyleAttr, _: Option<String>) {
        let _ = writeln!(
            self.boxes,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\" fill=\"none\" stroke=\"{INK}\"/>",
            xy.x,
            xy.y,
            size.x / 2.0
        );
    }

    fn draw_text(&mut self, xy: Point, text: &str, _: &StyleAttr) {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        // The middle of the lines is the middle of the box; the baseline is about a third of the size below a line's middle.
        let first = xy.y - LINE_HEIGHT * (lines.len() as f64 - 1.0) / 2.0 + FONT as f64 * 0.35;
        for (index, line) in lines.iter().enumerate() {
            let weight = if index == 0 { " font-weight=\"bold\"" } else { "" };
            let y = first + LINE_HEIGHT * index as f64;
            let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(self.boxes, "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\"{weight}>{line}</text>", xy.x);
        }
    }

    fn draw_arrow(&mut self, path: &[(Point, Point)], _: bool, head: (bool, bool), _: &StyleAttr, _: Option<String>, _: &str) {
        let [start, end, rest @ ..] = path else { return };
        let mut way = format!(
            "M{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            start.0.x, start.0.y, start.1.x, start.1.y, end.0.x, end.0.y, end.1.x, end.1.y
        );
        for (control, point) in rest {
            let _ = write!(way, "S{:.1} {:.1} {:.1} {:.1}", control.x, control.y, point.x, point.y);
        }
        for (_, point) in path {
            self.reach(*point);
        }
        let marker = if head.1 { " marker-end=\"url(#head)\"" } else { "" };
        let _ = writeln!(self.arrows, "<path d=\"{way}\" fill=\"none\" stroke=\"{INK}\"{marker}/>");
    }

    fn create_clip(&mut self, _: Point, _: Point, _: usize) -> ClipHandle {
        0
    }
}
