//! Drawings that are no charts: panels of pictures, polygons and words, as SVG.

use std::fmt::Write;

/// A drawing under way; lengths in pixels.
#[derive(Debug)]
pub(super) struct Drawing {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text lies relative to its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Middle,
    End,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Drawing { width, height, body: String::new() }
    }

    /// Words on one line; `y` is the base of the letters.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, size: u32, text: &str) {
        self.coloured((x, y), anchor, (size, "#000000"), text);
    }

    /// The same in a colour.
    pub(super) fn coloured(&mut self, (x, y): (f64, f64), anchor: Anchor, (size, colour): (u32, &str), text: &str) {
        let anchor = match anchor {
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-family=\"sans-serif\" font-size=\"{size}\" fill=\"{colour}\">{text}</text>"
        );
    }

    /// A picture at a place; pixels stay square.
    pub(super) fn picture(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), address: &str) {
        let _ = writeln!(
            self.body,
            "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"{address}\"/>"
        );
    }

    /// A filled shape with a thin edge.
    pub(super) fn polygon(&mut self, points: &[(f64, f64)], fill: &str) {
        let points = joined(points);
        let _ = writeln!(
            self.body,
            "<polygon points=\"{points}\" fill=\"{fill}\" stroke=\"#fff\" stroke-opacity=\"0.35\" stroke-width=\"0.5\"/>"
        );
    }

    /// Lines, each from one place to another, drawn as one.
    pub(super) fn segments(&mut self, segments: &[[(f64, f64); 2]], (colour, width): (&str, f64)) {
        let mut path = String::new();
        for [from, to] in segments {
            let _ = write!(path, "M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
        }
        if !path.is_empty() {
            let _ = writeln!(self.body, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>");
        }
    }

    /// The drawing on white.
    pub(super) fn finish(self) -> String {
        let Drawing { width, height, body } = self;
        format!(
            "<svg width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
             <rect x=\"0\" y=\"0\" width=\"{width:.0}\" height=\"{height:.0}\" opacity=\"1\" fill=\"#FFFFFF\" stroke=\"none\"/>\n{body}</svg>\n"
        )
    }
}

fn joined(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// Escapes what XML would read as markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_escaped() {
        let mut drawing = Drawing::new(10.0, 10.0);
        drawing.text((1.0, 2.0), Anchor::End, 12, "<b> & \"c\"");
        let svg = drawing.finish();
        assert!(svg.contains(">&lt;b&gt; &amp; &quot;c&quot;</text>"), "{svg}");
    }
}
